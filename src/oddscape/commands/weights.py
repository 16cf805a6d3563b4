"""``oddscape weights``: list and get what others have released, and turn it into safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oddscape.commands.data import byte_bars
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.weights.sources import ReleasedWeights


def list_() -> None:
    """List weights, shipped and released: their network, what they saw, where they lie, and their terms."""
    from oddscape.weights.shipped import FOLDER, SHIPPED
    from oddscape.weights.sources import WEIGHTS

    table = Table("name", "what they are", title="Shipped and released weights", show_lines=True)
    table.add_row(SHIPPED, "\n".join(map(escape, _shipped_facts())))
    for name, weights in WEIGHTS.items():
        table.add_row(name, "\n".join(map(escape, _facts(weights))))
    console = Console()
    console.print(table)
    # Outside the table, where no address is cut.
    console.print(f"{SHIPPED}: {FOLDER / SHIPPED}.md", soft_wrap=True, highlight=False, markup=False)
    for name, weights in WEIGHTS.items():
        console.print(f"{name}: {weights.file.url}", soft_wrap=True, highlight=False)


def _shipped_facts() -> list[str]:
    """What a newcomer wants to know of the weights that come with Oddscape, a line each."""
    from oddscape.models import checkpoint_metadata
    from oddscape.weights.shipped import is_there, shipped_file

    if not is_there():
        return ["comes with Oddscape, but is missing here"]
    about = checkpoint_metadata(shipped_file())
    return [
        f"{about['model']}, a detector (--detector), which predict takes where no weights are given",
        "comes with Oddscape",
        f"licence: {about['licence']}",
    ]


def _facts(weights: ReleasedWeights) -> list[str]:
    """What a newcomer wants to know of some weights, a line each."""
    classes = f", {weights.num_classes} classes" if weights.num_classes else ""
    known = "known" if weights.file.checksum else "none published"
    facts = [
        f"{weights.model}{classes}, trained on {weights.trained_on}",
        f"got {'in a browser' if weights.in_browser else 'by oddscape weights get'}",
        f"licence: {weights.licence}; checksum: {known}",
    ]
    return [*facts, weights.note] if weights.note else facts


def get(name: str, *, dir: Path | None = None, mirror: str | None = None) -> None:
    """Fetch released weights, or say where to get them in a browser; a broken download goes on.

    Parameters
    ----------
    name
        Name of the weights (oddscape weights list).
    dir
        Folder for the file; by default a cache ($ODDSCAPE_CACHE, else the user's own), used offline too.
    mirror
        Address of a folder that holds the file under its name; $ODDSCAPE_MIRROR otherwise.
    """
    from oddscape.weights.shipped import SHIPPED, shipped_file

    if name == SHIPPED:
        Console(highlight=False).print(escape(str(shipped_file())), soft_wrap=True)
        return
    from oddscape.weights.get import get as get_weights
    from oddscape.weights.sources import weights_named

    weights = weights_named(name)
    with byte_bars() as begin:
        path = get_weights(name, dir, mirror=mirror, progress=begin(f"fetching {weights.file.name}"))
    console = Console(highlight=False)
    console.print(escape(str(path)), soft_wrap=True)
    console.print(f"licence: {weights.licence}", soft_wrap=True)


def convert(
    file: Path | None = None,
    *,
    model: str,
    out: Path,
    num_classes: int | None = None,
    imagenet: bool = False,
    void: bool = False,
    source: str | None = None,
    licence: str | None = None,
    classes: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    teacher_encoder: Path | None = None,
    teacher_decoder: Path | None = None,
    student: Path | None = None,
) -> None:
    """Turn released weights into safetensors that say what they are; a file never runs code.

    Parameters
    ----------
    file
        The released file.
    model
        The network's name (oddscape models).
    out
        The file to write, .safetensors.
    num_classes
        Number of known classes.
    imagenet
        FILE holds ImageNet weights, for the network's trunk alone.
    void
        The network has one more, trailing output for void.
    source
        Where the weights are from; known for a file under its name in oddscape weights list.
    licence
        Their terms; known likewise.
    classes
        Names of the known classes, in their order.
    teacher_encoder
        In place of FILE: the encoder of DiCNet's teacher.
    teacher_decoder
        In place of FILE: its decoder.
    student
        In place of FILE: DiCNet's student.
    """
    from oddscape.weights.convert import Origin, convert_imagenet, origin_of
    from oddscape.weights.convert import convert as convert_weights

    known = origin_of(file) if file is not None else Origin()
    origin = Origin(
        known.source if source is None else source, known.licence if licence is None else licence, classes
    )
    if imagenet and file is not None:
        metadata = convert_imagenet(out, model, file, origin)
    elif num_classes is None or imagenet:
        raise OddscapeError("give FILE and --imagenet, or --num-classes: the number of known classes")
    else:
        parts = {"teacher_encoder": teacher_encoder, "teacher_decoder": teacher_decoder, "student": student}
        metadata = convert_weights(out, model, num_classes, file, void=void, origin=origin, **parts)
    console = Console(highlight=False)
    for key, value in metadata.items():
        console.print(f"{key}: {escape(value) or 'not known'}", soft_wrap=True)
    console.print(f"written: {escape(str(out))}", soft_wrap=True)
