"""``oddscape detector``: a network, a score and a threshold in one file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from oddscape.commands.options import DetectorOptions


def save(
    out: Path,
    *,
    detector: DetectorOptions = DetectorOptions(),
    half: bool = False,
    source: str | None = None,
    licence: str | None = None,
) -> None:
    """Write a network, a score and a threshold to one file, which ``--detector`` then takes.

    How the network sees pictures (size, windows, scales, flips and the like) is kept, too, for a threshold
    holds for the scores that it gives so.

    Parameters
    ----------
    out
        The file, .safetensors.
    half
        Round the weights to float16, for half the size; networks compute with float32 all the same.
    source
        Where the weights are from, for people.
    licence
        Their terms, for people.
    """
    from oddscape.models.checkpoints import require_ending

    require_ending(out)
    made, about = detector.load()
    told = {"source": source, "licence": licence}
    made.save(out, about | {key: text for key, text in told.items() if text is not None}, half=half)
    decides = "no threshold" if made.threshold is None else f"threshold {made.threshold:g}"
    said = f"{made.score.name} of {about['model']}, {decides}: {out}"
    Console().print(said, soft_wrap=True, highlight=False, markup=False)
