"""``oddscape fit-react``: the threshold at which ReAct clips what a layer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddscape.advance import scenes
from oddscape.commands.options import InferenceSizeOption, NetworkOptions, known_data
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.scenes import Scene


def fit_react(
    layer: str,
    *,
    dataset: str,
    data: Path,
    network: NetworkOptions = NetworkOptions(),
    percentile: float = 90.0,
    max_pictures: int | None = None,
    size: InferenceSizeOption = None,
    reader: tuple[str, ...] = (),
) -> None:
    """Print the option --react LAYER=THRESHOLD for evaluate, predict and fit: a percentile of known data.

    Parameters
    ----------
    layer
        Dotted name of the layer that reads what is clipped; as published, the classifier.
    dataset
        Name of a data set of known things (see ``oddscape data list``).
    data
        Its folder.
    percentile
        Of the layer's activations, so many per cent are left as they are.
    max_pictures
        Take so many pictures, evenly spread over the data; by default all.
    size
        Width x height at which the network sees the pictures, as in 1024x512, or the shorter side of each,
        as in 432; by default their own.
    reader
        An option of the data set's reader as NAME=VALUE; by default the split that ``oddscape train`` takes.
    """
    known = known_data(dataset, data, reader)
    nets, _ = network.load()
    if len(nets) > 1:
        raise OddscapeError(f"fit-react takes one network: give --weights once, not {len(nets)} times")

    from oddscape.fitting import evenly_spread
    from oddscape.wrappers.react import fit_react as threshold_of

    with progress_bar("fitting ReAct") as advance:
        shown: Callable[[Any], Iterable[Scene]] = scenes(advance)
        pictures = (scene.image for scene in shown(evenly_spread(known, max_pictures)))
        threshold = threshold_of(nets[0], pictures, layer, percentile=percentile, size=size)
    print(f"--react {layer}={threshold:.6g}")
