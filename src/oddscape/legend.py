"""What the colours of a class map mean, as a picture."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from oddscape.labels import ANOMALY_COLOUR, LabelSpace

_ROW, _MARGIN, _TEXT = 28, 10, 16  # pixels


def legend(label_space: LabelSpace, *, anomaly: bool) -> Image.Image:
    """Draw each class's colour beside its name, in the order of the train ids.

    Args:
        label_space: names and colours.
        anomaly: whether the colour of anomalies follows.
    """
    rows = list(zip(label_space.classes, label_space.colours, strict=True))
    rows += [("anomaly", ANOMALY_COLOUR)] if anomaly else []
    font = ImageFont.load_default(_TEXT)
    width = 3 * _MARGIN + _ROW + max(round(font.getlength(name)) for name, _ in rows)
    picture = Image.new("RGB", (width, 2 * _MARGIN + _ROW * len(rows)), "white")
    draw = ImageDraw.Draw(picture)
    for row, (name, colour) in enumerate(rows):
        top = _MARGIN + _ROW * row
        draw.rectangle((_MARGIN, top + 3, _MARGIN + _ROW, top + _ROW - 3), colour, outline="black")
        draw.text((2 * _MARGIN + _ROW, top + _ROW // 2), name, "black", font, anchor="lm")
    return picture
