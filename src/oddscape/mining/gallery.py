"""The gallery: one page with the pictures that rank highest, their regions marked."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote_from_bytes

from jinja2 import Template
from markupsafe import Markup
from PIL import Image

from oddscape.data import read_image
from oddscape.errors import OddscapeError
from oddscape.files import path_text, written_atomically
from oddscape.mining.facts import RankedRegion
from oddscape.mining.merging import RankedPicture
from oddscape.mining.outcome import Mining
from oddscape.mining.settings import MiningSettings
from oddscape.report.templates import page_environment
from oddscape.version import __version__

_THUMBNAIL = 480  # pixels of the longer side
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """A picture of the gallery.

    Args:
        picture: with its rank and what was found.
        thumbnail: ``data:`` URI; None where the picture can no longer be read.
        link: to the picture, as seen from the page.
        alike: how many pictures further down repeat it.
    """

    picture: RankedPicture
    thumbnail: str | None
    link: str
    alike: int

    @property
    def name(self) -> str:
        """The picture's path as text."""
        return path_text(self.picture.path)

    @property
    def first_region(self) -> RankedRegion | None:
        """The region with the highest region score."""
        return next(iter(self.picture.facts.leading), None)


def write_gallery(path: Path, mining: Mining, ranking: str, settings: MiningSettings) -> None:
    """Write one self-contained page that opens offline; the pictures themselves are linked to.

    Args:
        path: the page, .html.
        mining: what it came to.
        ranking: one of ``RANKINGS``.
        settings: of the mining.

    Raises:
        OddscapeError: the disk refused.
    """
    cards = (_card(picture, mining.alike[picture.rank], path.parent) for picture in mining.first)
    page = _template().render(
        cards=cards,
        mining=mining,
        ranking=ranking,
        settings=settings,
        look=Markup(_look()),
        script=Markup((_HERE / "gallery.js").read_text(encoding="utf-8")),
        version=__version__,
    )
    with written_atomically(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _look() -> str:
    report = (_HERE.parent / "report" / "page.css").read_text(encoding="utf-8")
    return report + (_HERE / "gallery.css").read_text(encoding="utf-8")


def _template() -> Template:
    return page_environment("oddscape.mining", ".").get_template("gallery.html.jinja")


def _card(picture: RankedPicture, alike: int, folder: Path) -> Card:
    return Card(picture, _thumbnail(picture.path), _link(picture.path, folder), alike)


def _thumbnail(path: str) -> str | None:
    try:
        image = Image.fromarray(read_image(path))
    except OddscapeError:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _link(path: str, folder: Path) -> str:
    try:
        seen = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return Path(path).resolve().as_uri()
    return quote_from_bytes(os.fsencode(seen.replace(os.sep, "/")))
