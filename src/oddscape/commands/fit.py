"""``oddscape fit``: scores that learn from known data, in one pass over its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console

from oddscape.advance import scenes
from oddscape.commands.options import InferenceOptions, NetworkOptions, known_data
from oddscape.commands.progress import progress_bar


def fit(
    *,
    dataset: str,
    data: Path,
    out: Path,
    network: NetworkOptions = NetworkOptions(),
    score: tuple[str, ...] = ("all",),
    labels: Literal["own", "truth"] = "own",
    max_pictures: int | None = None,
    inference: InferenceOptions = InferenceOptions(),
    reader: tuple[str, ...] = (),
) -> None:
    """Fit scores that learn from known data, and write them to a file for evaluate and predict.

    Started by ``torchrun``, several processes share the pictures.

    Parameters
    ----------
    dataset
        Name of a data set of known things (see ``oddscape data list``).
    data
        Its folder.
    out
        File for the fitted scores, .safetensors.
    score
        A score's name (see ``oddscape scores``), with parameters where wanted, as in knn@neighbours=10; may
        be given several times. ``all``: every one that the network can carry.
    labels
        ``own``: statistics go by the classes that the network predicts. ``truth``: by the data's labels,
        whose classes must be the network's; void is left out.
    max_pictures
        Take so many pictures, evenly spread over the data; by default all.
    reader
        An option of the data set's reader as NAME=VALUE; by default the split that ``oddscape train`` takes.
    """
    known = known_data(dataset, data, reader)
    nets, model = network.load()
    net = inference.around(nets)

    from oddscape.fitting import fit_scores
    from oddscape.processes import is_main_process
    from oddscape.scores.fitted.files import save_scores
    from oddscape.wrappers import unwrapped

    with progress_bar("fitting scores") as advance:
        fitted = fit_scores(
            net,
            known,
            score,
            labels=labels,
            size=inference.size,
            max_pictures=max_pictures,
            progress=scenes(advance),
        )
    if not is_main_process():
        return
    ways = "; ".join(unwrapped(net)[1])
    about = {"network": model, "weights": network.weights_names, "inference": ways, "data": dataset}
    save_scores(fitted, out, about)
    Console().print(f"fitted {', '.join(fitted)}: {out}", soft_wrap=True)
