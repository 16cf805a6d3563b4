"""Anomalous regions as JSON: one file a picture, and those of many pictures as one file in COCO's format."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.outlines import enclosed

if TYPE_CHECKING:
    from oddscape.detector import Prediction
    from oddscape.regions import Region

_CATEGORY = 1


def encode_regions(prediction: Prediction, picture: str) -> bytes:
    """The regions of a picture: UTF-8 JSON with its size, and of each region what :func:`described` says."""
    height, width = prediction.score.shape
    facts = {
        "picture": picture,
        "width": width,
        "height": height,
        "threshold": prediction.threshold,
        "regions": [described(region) for region in prediction.regions],
    }
    return (json.dumps(facts, ensure_ascii=False) + "\n").encode()


def described(region: Region) -> dict[str, Any]:
    """A region as JSON has it.

    ``box`` is [x, y, width, height]; ``area`` its pixels; ``outlines`` lists polygons of corners [x, y] along
    the edges of pixels, the outer one and then those of holes, and encloses just the region's pixels.
    """
    top, left, bottom, right = region.box
    return {
        "box": [left, top, right - left, bottom - top],
        "area": region.area,
        "mean_score": json_score(region.mean_score),
        "max_score": json_score(region.max_score),
        "outlines": region.outlines,
    }


def json_score(score: float) -> float | None:
    """A score as JSON has it: nine digits, which tell all float32 apart; None, as there is no infinity."""
    return float(f"{score:.9g}") if math.isfinite(score) else None


def write_coco(path: Path, files: Callable[[], Iterable[Path]]) -> int:
    """Bring the regions of many pictures together in the format of COCO's object detection.

    A region is an annotation of the one category ``anomaly``, its ``score`` the mean score. Its
    ``segmentation`` is a polygon, or, where it has holes, which COCO's polygons cannot have, uncompressed
    run lengths; either is the region's pixels exactly.

    Args:
        path: the file.
        files: gives the files of :func:`encode_regions`, and the same again when called again.

    Returns:
        The number of regions in the file.

    Raises:
        OddscapeError: one of the files is damaged, or the disk refused.
    """
    categories = [{"id": _CATEGORY, "name": "anomaly", "supercategory": "anomaly"}]
    with written_atomically(path) as partial, partial.open("w", encoding="utf-8") as out:
        out.write(f'{{"categories": {json.dumps(categories)},\n"images": [')
        _write_items(out, _images(files()))
        out.write('],\n"annotations": [')
        regions = _write_items(out, _annotations(files()))
        out.write("]}\n")
    return regions


def _write_items(out: Any, items: Iterator[dict[str, Any]]) -> int:
    count = 0
    for count, item in enumerate(items, start=1):
        out.write((",\n" if count > 1 else "\n") + json.dumps(item, ensure_ascii=False))
    return count


def _images(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for number, said in enumerate(map(_read, files), start=1):
        yield {"id": number, "file_name": said["picture"], "width": said["width"], "height": said["height"]}


def _annotations(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    number = 0
    for image, said in enumerate(map(_read, files), start=1):
        for region in said["regions"]:
            number += 1
            yield {
                "id": number,
                "image_id": image,
                "category_id": _CATEGORY,
                "bbox": region["box"],
                "area": region["area"],
                "iscrowd": 0,
                "score": region["mean_score"],
                "segmentation": _segmentation(region["outlines"], said["height"], said["width"]),
            }


def _segmentation(outlines: list[list[list[int]]], height: int, width: int) -> Any:
    if len(outlines) == 1:
        return [[coordinate for corner in outlines[0] for coordinate in corner]]
    mask = enclosed(outlines, (height, width)).ravel(order="F")
    changes = np.flatnonzero(np.diff(mask, prepend=False, append=not mask[-1]))
    return {"size": [height, width], "counts": np.diff(changes, prepend=0).tolist()}


def _read(file: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OddscapeError(f"{file}: cannot be read as the regions of a picture ({error})") from None
    return said
