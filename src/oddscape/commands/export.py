"""``oddscape export``: a whole detector as one file that runs without Oddscape."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter
from rich.console import Console

from oddscape.advance import scenes
from oddscape.commands.options import DetectorOptions, reader_option
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from rich.table import Table

    from oddscape.data import Dataset
    from oddscape.detector import Detector
    from oddscape.export.comparison import Comparison
    from oddscape.protocols import Protocol

Precision = Literal["float32", "float16", "int8"]

# More pictures make no better scales, and no surer figures of speed and agreement.
_MOST_CALIBRATED, _MOST_COMPARED = 100, 50
# What a file says of its origin.
_ORIGIN = ("model", "weights", "source", "licence")


@Parameter(name="*")
@dataclass(frozen=True)
class JudgedOnOptions:
    """Pictures that a file in fewer bits is made and judged with.

    Parameters
    ----------
    pictures
        Folder of pictures such as the detector will see, or a glob pattern in quotes; int8 takes its scales
        from them. May be given several times.
    protocol
        A protocol (see ``oddscape protocols``), whose labelled pictures lie in --data, for AP and mIoU.
    data
        Folder of the protocol's data.
    reader
        An option of the data set's reader as NAME=VALUE.
    """

    pictures: tuple[Path, ...] = ()
    protocol: str | None = None
    data: Path | None = None
    reader: tuple[str, ...] = ()

    def check(self, precision: Precision, out: Path) -> None:
        """Make sure that these options and a precision go together."""
        if precision == "float32":
            if self != JudgedOnOptions():
                raise OddscapeError(
                    "--pictures, --protocol, --data and --reader judge fewer bits: give --precision float16 "
                    "or int8, too"
                )
            return
        if out.suffix != ".onnx":
            raise OddscapeError(f"--precision {precision} is for files that end in .onnx, not {out.name}")
        if (self.protocol is None) != (self.data is None) or (self.reader and self.protocol is None):
            raise OddscapeError("--protocol NAME, --data DIR and --reader go together")
        if precision == "int8" and not self.pictures:
            raise OddscapeError(
                "--precision int8 needs --pictures DIR, pictures such as the detector will see: its scales "
                "are taken from them"
            )
        if not self.pictures and self.protocol is None:
            raise OddscapeError(
                f"--precision {precision} is judged on pictures: give --pictures DIR, or --protocol NAME "
                "with --data DIR"
            )

    def plain(self) -> Dataset | None:
        """The pictures without labels; None where none are given."""
        from oddscape.data.plain_pictures import plain_pictures

        return plain_pictures(self.pictures) if self.pictures else None

    def labelled(self) -> tuple[Dataset, Protocol] | None:
        """The labelled pictures and their protocol; None where none is given."""
        from oddscape import data as data_sets
        from oddscape.evaluation import override
        from oddscape.protocol_file import find_protocol

        if self.protocol is None or self.data is None:
            return None
        told = dict(reader_option(text) for text in self.reader)
        protocol, _ = override(find_protocol(self.protocol), None, told)
        return data_sets.open(protocol.data, self.data, **protocol.reader), protocol


def export(
    out: Path,
    *,
    detector: DetectorOptions = DetectorOptions(),
    threshold_input: bool = False,
    precision: Precision = "float32",
    judged_on: JudgedOnOptions = JudgedOnOptions(),
    keep_slower: bool = False,
) -> None:
    """Write a detector to one file that runs without Oddscape: .onnx, or .pt2 for ``torch.export.load``.

    Pictures go in as they are, uint8 [N, H, W, 3] in RGB; out come, at their size, ``classes``, ``score``
    and, where there is a threshold, ``anomaly``. The file is compared with the detector at several sizes,
    and not written where they disagree. Without --weights, --model or --detector, it is done for the
    detector that comes with Oddscape.

    Parameters
    ----------
    out
        The file; its ending says what it is.
    threshold_input
        The threshold is a second input, float32 [1], instead of the detector's own inside the file.
    precision
        In what the network computes, .onnx alone: fewer bits are compared with float32 on pictures, and not
        written where they are not faster on this machine.
    keep_slower
        Write the file in fewer bits all the same, for another machine or for its size.
    """
    from oddscape.export.exportable import require_exportable

    judged_on.check(precision, out)
    if keep_slower and precision == "float32":
        raise OddscapeError("--keep-slower is for fewer bits: give --precision float16 or int8, too")
    plain, labelled = judged_on.plain(), judged_on.labelled()
    loaded, about = detector.load_or_shipped()
    loaded.net.cpu()
    require_exportable(loaded, out)
    origin = {key: about[key] for key in _ORIGIN if about.get(key)}
    if precision == "float32":
        _export(loaded, out, threshold_input, origin)
    else:
        with TemporaryDirectory() as folder:
            full, fewer = Path(folder, "float32.onnx"), Path(folder, f"{precision}.onnx")
            _export(loaded, full, threshold_input, origin)
            _convert(full, fewer, precision, plain)
            compared = _compared(full, fewer, plain, labelled, detector.network.threads)
            _show(compared, judged_on)
            _keep(fewer, out, compared, keep_slower)
    _say(loaded, out, threshold_input)


def _export(detector: Detector, path: Path, threshold_input: bool, origin: dict[str, str]) -> None:
    from oddscape.export.detectors import export_detector

    with progress_bar("exporting"):
        export_detector(detector, path, threshold_input=threshold_input, about=origin)


def _convert(full: Path, fewer: Path, precision: Precision, plain: Dataset | None) -> None:
    from oddscape.export.float16 import to_float16
    from oddscape.export.int8 import to_int8

    if precision == "float16":
        to_float16(full, fewer)
        return
    assert plain is not None, "int8 without pictures is refused"
    with progress_bar("calibrating") as advance:
        some = _some(plain, _MOST_CALIBRATED)
        to_int8(full, fewer, (scene.image for scene in scenes(advance)(some)))


def _compared(
    full: Path,
    fewer: Path,
    plain: Dataset | None,
    labelled: tuple[Dataset, Protocol] | None,
    threads: int | None,
) -> Comparison:
    from oddscape.export.comparison import compare_files

    with progress_bar("comparing") as advance:
        if labelled is None:
            assert plain is not None, "fewer bits without any pictures are refused"
            return compare_files(full, fewer, scenes(advance)(_some(plain, _MOST_COMPARED)), threads=threads)
        data, protocol = labelled
        return compare_files(
            full,
            fewer,
            scenes(advance)(data),
            protocol=protocol,
            label_space=data.label_space,
            threads=threads,
        )


def _some(pictures: Dataset, most: int) -> Dataset:
    """At most so many of the pictures, evenly over all of them."""
    every = math.ceil(len(pictures) / most)
    return replace(pictures, entries=pictures.entries[::every])


def _show(compared: Comparison, judged_on: JudgedOnOptions) -> None:
    console = Console()
    console.print(_table(compared, judged_on.protocol))
    on = judged_on.protocol or ", ".join(path.name or str(path) for path in judged_on.pictures)
    threads = "" if compared.threads is None else f", threads: {compared.threads}"
    said = (
        f"{100 * compared.same_class:.2f} % of the pixels keep their class; the scores' rank correlation is "
        f"{compared.rank_correlation:.4f} ({on}, {compared.pictures} pictures{threads})"
    )
    console.print(said, soft_wrap=True, highlight=False, markup=False)


def _table(compared: Comparison, protocol: str | None) -> Table:
    from oddscape.report.narrow import figure_cell, narrow_table

    labelled = [] if protocol is None else ["AP", "mIoU"]
    title = "Exported files on this machine's CPU" + (f"; AP and mIoU in %, {protocol}" if protocol else "")
    table = narrow_table(title, ("precision",), ("MB", "ms a picture", "times as fast", *labelled))
    for file, speed in ((compared.reference, 1.0), (compared.candidate, compared.speed)):
        cells = [f"{file.megabytes:.1f}", f"{file.milliseconds:.0f}", f"{speed:.2f}"]
        figures = (file.average_precision, file.miou) if labelled else ()
        cells += ["–" if math.isnan(figure) else f"{100 * figure:.1f}" for figure in figures]
        table.add_row(file.precision, *map(figure_cell, cells))
    return table


def _keep(fewer: Path, out: Path, compared: Comparison, keep_slower: bool) -> None:
    from oddscape.files import written_atomically

    if not compared.is_faster and not keep_slower:
        raise OddscapeError(
            f"{compared.candidate.precision} is {compared.speed:.2f} times as fast as float32 on this "
            f"machine: {out} was not written; --keep-slower writes it all the same"
        )
    with written_atomically(out) as partial:
        shutil.copyfile(fewer, partial)


def _say(detector: Detector, out: Path, threshold_input: bool) -> None:
    """What the file is, and what it does not hold."""
    from oddscape.sizes import format_size

    threshold = "no threshold" if detector.threshold is None else f"threshold {detector.threshold:g} inside"
    size = "their own size" if detector.size is None else format_size(detector.size)
    lines = [
        f"{detector.score.name}, {'threshold as an input' if threshold_input else threshold}; "
        f"the network sees pictures at {size}: {out}"
    ]
    if detector.rules.min_region > 1 or detector.rules.low is not None:
        lines.append(f"the rules for regions ({detector.rules}) are not in the file: apply them yourself")
    for line in lines:
        Console().print(line, soft_wrap=True, highlight=False, markup=False)
