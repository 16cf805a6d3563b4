"""The pictures of README and documentation: what the shipped detector says of the synthetic town.

    python docs/pictures/make.py

Both scenes are of towns that the network was not trained on, at the seed that ``oddscape town make`` has by
default: one in which it finds the anomalies, and one in which it misses the greater part of one.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import oddscape as odd
from oddscape.report.pictures import heat_map
from oddscape.town import render_scene

FOLDER = Path(__file__).parent
SCENES = {"found.jpg": ("t6", 1), "missed.jpg": ("t5", 1)}
"""File → town and number of the picture in it."""

_SIZE = (432, 768)
_PANEL = (640, 360)  # width and height
_GAP = 6


def panels(town: str, number: int) -> Image.Image:
    """A scene, its classes, its score and its open-set result, two by two, each named in its corner."""
    picture, _ = render_scene(town, seed=0, index=number, size=_SIZE)
    said = odd.Detector.shipped().predict(picture)
    shown = {
        "picture": Image.fromarray(picture),
        "classes": Image.fromarray(said.label_space.paint(said.classes)),
        "anomaly score": Image.fromarray(heat_map(said.score)),
        "open-set result": said.overlay(),
    }
    width, height = _PANEL
    sheet = Image.new("RGB", (2 * width + _GAP, 2 * height + _GAP), (128, 128, 128))
    for place, (name, panel) in enumerate(shown.items()):
        down, across = divmod(place, 2)
        sheet.paste(_named(panel, name), (across * (width + _GAP), down * (height + _GAP)))
    return sheet


def _named(picture: Image.Image, name: str) -> Image.Image:
    panel = picture.resize(_PANEL, Image.Resampling.LANCZOS)
    font, draw = ImageFont.load_default(24), ImageDraw.Draw(panel)
    draw.rectangle((0, 0, font.getlength(name) + 24, 40), (20, 20, 24))
    draw.text((12, 20), name, "white", font, anchor="lm")
    return panel


def shares(town: str, number: int) -> tuple[float, float]:
    """Shares of a scene's anomalous and of its known pixels that are called anomalous."""
    picture, raw = render_scene(town, seed=0, index=number, size=_SIZE)
    called, anomalous = odd.Detector.shipped().predict(picture).anomaly, raw == 14
    return float(called[anomalous].mean()), float(called[~anomalous].mean())


def main() -> None:
    """Write both, and print what share of the anomalies and of the rest is called anomalous."""
    for file, scene in SCENES.items():
        panels(*scene).save(FOLDER / file, quality=82, optimize=True, progressive=True)
        recall, false_positives = shares(*scene)
        print(f"{file}: recall {recall:.1%}, false positives {false_positives:.1%}")


if __name__ == "__main__":
    main()
