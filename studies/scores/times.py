"""What a picture costs with each of several scores: CPU seconds as JSON, by the score's name.

    python studies/scores/times.py FOLDER --out FILE [the options of oddscape evaluate for network and scores]

The median over the first five pictures of FOLDER of the network's passes, and of the class map and that score
alone at the picture's size. CPU seconds, so that other work on the machine counts little.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from cyclopts import App
from torch import nn

from oddscape.commands.options import InferenceOptions, NetworkOptions, fitted_scores
from oddscape.data import read_image, resize_image
from oddscape.data.tensors import to_tensor
from oddscape.inference import postprocess
from oddscape.models import probe
from oddscape.scores import Score, pick_scores
from oddscape.sizes import Size

T = TypeVar("T")


def timed(work: Callable[..., T], *given: Any) -> tuple[float, T]:
    """CPU seconds of a computation, and what it gave."""
    started = time.process_time()
    gave = work(*given)
    return time.process_time() - started, gave


@torch.inference_mode()
def seconds_by_score(
    net: nn.Module, scores: Mapping[str, Score], files: Sequence[Path], size: Size | None
) -> dict[str, float]:
    """Median CPU seconds a picture of the network's passes and each score."""
    passes: list[float] = []
    beyond: dict[str, list[float]] = {name: [] for name in scores}
    for file in files:
        image = read_image(file)
        seconds, said = timed(net, to_tensor(image if size is None else resize_image(image, size)))
        passes.append(seconds)
        said = replace(said, size=image.shape[:2])
        for name, score in scores.items():
            beyond[name].append(timed(postprocess, said, {name: score})[0])
    return {name: statistics.median(passes) + statistics.median(beyond[name]) for name in scores}


def main(
    folder: Path,
    *,
    out: Path,
    network: NetworkOptions = NetworkOptions(),
    inference: InferenceOptions = InferenceOptions(),
    score: tuple[str, ...] = ("all",),
    fitted: Path | None = None,
) -> None:
    """Measure, and write the file."""
    nets, _ = network.load()
    net = inference.around(nets).eval()
    scores = pick_scores(score, probe(net).fields, fitted_scores(fitted))
    times = seconds_by_score(net, scores, sorted(folder.iterdir())[:5], inference.size)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    app = App()
    app.default(main)
    app()
