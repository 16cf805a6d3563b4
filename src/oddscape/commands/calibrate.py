"""``oddscape calibrate``: a threshold chosen on one's own pictures, kept with the detector."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter
from rich.console import Console

from oddscape.advance import scenes
from oddscape.commands.options import DetectorOptions, RegionOptions, known_data, reader_option
from oddscape.commands.progress import progress_bar
from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.data import Dataset
    from oddscape.detector import Detector
    from oddscape.protocols import Protocol
    from oddscape.regions import RegionRules
    from oddscape.scenes import Scene
    from oddscape.threshold_figures import ThresholdFigures
    from oddscape.threshold_rules import ThresholdRule
    from oddscape.thresholds import Calibration


@Parameter(name="*")
@dataclass(frozen=True)
class RuleOptions:
    """By what the threshold is chosen; just one of the four.

    Parameters
    ----------
    false_alarms
        At most this share of known pixels above the threshold, as in 0.001.
    false_regions_per_hour
        At most so many false regions an hour of driving, with --frames-per-second.
    frames_per_second
        Pictures that the camera gives a second; each picture stands for one of them.
    recall
        At least this share of anomalous pixels above the threshold (TPR), as in 0.95.
    best_f1
        The greatest F1 of all pixels together.
    confidence
        With which a budget of false alarms is promised, from 0.5 to 0.99.
    """

    false_alarms: float | None = None
    false_regions_per_hour: float | None = None
    frames_per_second: float | None = None
    recall: float | None = None
    best_f1: bool = False
    confidence: float = 0.95

    def rule(self) -> ThresholdRule:
        """The rule that was asked for."""
        from oddscape.threshold_rules import BestF1, FalseAlarms, FalseRegions, Recall

        self._require_one()
        if self.false_alarms is not None:
            return FalseAlarms(self.false_alarms, self.confidence)
        if self.false_regions_per_hour is not None:
            if self.frames_per_second is None:
                raise OddscapeError("--false-regions-per-hour needs --frames-per-second, as in 10")
            return FalseRegions(self.false_regions_per_hour, self.frames_per_second, self.confidence)
        return BestF1() if self.recall is None else Recall(self.recall)

    def _require_one(self) -> None:
        asked = {
            "--false-alarms": self.false_alarms is not None,
            "--false-regions-per-hour": self.false_regions_per_hour is not None,
            "--recall": self.recall is not None,
            "--best-f1": self.best_f1,
        }
        given = [name for name, is_given in asked.items() if is_given]
        if len(given) != 1:
            but = f"got {' and '.join(given)}" if given else "got none"
            raise OddscapeError(f"one rule chooses the threshold: give one of {', '.join(asked)}; {but}")
        if self.frames_per_second is not None and self.false_regions_per_hour is None:
            raise OddscapeError(f"--frames-per-second is for --false-regions-per-hour, not for {given[0]}")


@Parameter(name="*")
@dataclass(frozen=True)
class PicturesOptions:
    """The pictures that the threshold is chosen on, and those that it is checked on.

    Parameters
    ----------
    pictures
        Folder of pictures without anomalies, or a glob pattern in quotes; may be given several times.
    recordings
        Pictures of one folder are one recording: they are wrong together.
    protocol
        Instead: a protocol (see ``oddscape protocols``), whose labelled pictures lie in --data.
    dataset
        Instead: a data set (see ``oddscape data list``) in --data; its split is that of ``oddscape train``.
    data
        Folder of the protocol's data, or of the data set.
    reader
        An option of the data set's reader as NAME=VALUE.
    check
        Folder of other pictures without anomalies, on which the threshold is checked; may be given several
        times.
    check_protocol
        Instead: a protocol, whose labelled pictures lie in --check-data.
    check_data
        Folder of the data of --check-protocol.
    """

    pictures: tuple[Path, ...] = ()
    recordings: bool = False
    protocol: str | None = None
    dataset: str | None = None
    data: Path | None = None
    reader: tuple[str, ...] = ()
    check: tuple[Path, ...] = ()
    check_protocol: str | None = None
    check_data: Path | None = None

    def chosen_on(self) -> _Pictures:
        """What the threshold is chosen on."""
        sources = (bool(self.pictures), self.protocol is not None, self.dataset is not None)
        if sum(sources) != 1:
            raise OddscapeError(
                "give what the threshold is chosen on: --pictures DIR, --protocol NAME with --data DIR, or "
                "--dataset NAME with --data DIR"
            )
        if self.pictures:
            if self.data is not None or self.reader:
                raise OddscapeError("--data and --reader are for --protocol and --dataset, not --pictures")
            return self._plain(self.pictures)
        if self.data is None:
            raise OddscapeError(f"--data DIR is needed: the folder of {self.protocol or self.dataset}")
        if self.protocol is not None:
            return _Pictures.of_protocol(self.protocol, self.data, self.reader)
        assert self.dataset is not None
        return _Pictures(known_data(self.dataset, self.data, self.reader), self.dataset)

    def checked_on(self) -> _Pictures | None:
        """What the threshold is checked on; None: nothing."""
        if bool(self.check_protocol) != bool(self.check_data):
            raise OddscapeError("--check-protocol NAME and --check-data DIR go together")
        if self.check and self.check_protocol:
            raise OddscapeError("a threshold is checked on --check or on --check-protocol: give one of them")
        if self.check_protocol and self.check_data:
            return _Pictures.of_protocol(self.check_protocol, self.check_data, ())
        return self._plain(self.check) if self.check else None

    def _plain(self, sources: tuple[Path, ...]) -> _Pictures:
        from oddscape.data.plain_pictures import plain_pictures

        found = plain_pictures(sources)
        if self.recordings:
            entries = (replace(entry, sequence=str(entry.image.parent)) for entry in found.entries)
            found = replace(found, entries=tuple(entries))
        return _Pictures(found, ", ".join(source.name or str(source) for source in sources))


@dataclass(frozen=True, eq=False)
class _Pictures:
    """A data set, what it is called, and the protocol that brings its truth to a size."""

    dataset: Dataset
    name: str
    protocol: Protocol | None = None

    @classmethod
    def of_protocol(cls, name: str, folder: Path, reader: Sequence[str]) -> _Pictures:
        from oddscape import data as data_sets
        from oddscape.evaluation import override
        from oddscape.protocol_file import find_protocol

        protocol, _ = override(find_protocol(name), None, dict(reader_option(text) for text in reader))
        return cls(data_sets.open(protocol.data, folder, **protocol.reader), name, protocol)

    def scenes(self, shown: Iterable[Scene]) -> Iterator[Scene]:
        """The scenes that are gone through, with their truth as the protocol wants it."""
        from oddscape.evaluation import evaluation_truth

        for scene in shown:
            yield scene if self.protocol is None else evaluation_truth(scene, self.protocol)


def calibrate(
    out: Path,
    *,
    detector: DetectorOptions = DetectorOptions(),
    rule: RuleOptions = RuleOptions(),
    data: PicturesOptions = PicturesOptions(),
    half: bool = False,
) -> None:
    """Choose a detector's threshold on your own pictures, and keep it with the detector, for ``--detector``.

    Without --weights, --model or --detector, it is done for the detector that comes with Oddscape. Of the
    rules for regions, --min-region and --hysteresis, false regions are counted without what they drop; by
    --false-alarms, --recall and --best-f1 the threshold is chosen for pixels alone, and the table shows what
    the rules change. They are kept with the detector. Score maps wait on disk, 5 bytes a pixel, in the folder
    that TMPDIR names.

    Parameters
    ----------
    out
        The file of the detector with its threshold, .safetensors.
    half
        Round the weights to float16, for a file of half the size.
    """
    from oddscape.models.checkpoints import require_ending

    require_ending(out)
    asked, regions = rule.rule(), detector.regions
    if detector.threshold is not None:
        raise OddscapeError("--threshold is what calibrate chooses: leave it out")
    chosen_on, checked_on = data.chosen_on(), data.checked_on()
    # The rules go with the threshold that is chosen, not with the one that the detector has so far.
    plain = replace(detector, regions=RegionOptions())
    made, about = plain.load_or_shipped()
    done = _calibrated(made, chosen_on, asked, regions.over(made.rules))
    checked = () if checked_on is None else _checked(done, checked_on)
    done.detector.save(out, about | {"calibration": _record(done, chosen_on, checked_on, checked)}, half=half)
    _show(done, chosen_on, checked_on, checked)
    Console().print(f"detector: {out}", soft_wrap=True, highlight=False, markup=False)


def _calibrated(
    detector: Detector, pictures: _Pictures, rule: ThresholdRule, regions: RegionRules
) -> Calibration:
    from oddscape.thresholds import calibrate as run

    with progress_bar("choosing the threshold") as advance:
        return run(detector, pictures.scenes(scenes(advance)(pictures.dataset)), rule, regions)


def _checked(done: Calibration, pictures: _Pictures) -> tuple[ThresholdFigures, ...]:
    from oddscape.thresholds import check_threshold

    with progress_bar("checking it") as advance:
        return check_threshold(done.detector, pictures.scenes(scenes(advance)(pictures.dataset)))


def _record(
    done: Calibration,
    chosen_on: _Pictures,
    checked_on: _Pictures | None,
    checked: Sequence[ThresholdFigures],
) -> str:
    """How the threshold was chosen, as the detector's file keeps it: JSON."""
    rules = done.figures[-1].rules
    said: dict[str, Any] = {
        "rule": str(done.rule),
        "bound": done.bound,
        "min_region": rules.min_region,
        "hysteresis": rules.low,
        "chosen_on": _figures(chosen_on, done.figures),
    }
    if checked_on is not None:
        said["checked_on"] = _figures(checked_on, checked)
    return json.dumps(said, ensure_ascii=False)


def _figures(pictures: _Pictures, figures: Sequence[ThresholdFigures]) -> dict[str, Any]:
    names = ("fpr", "false_regions", "tpr", "f1")
    rows = {
        str(row.rules): {
            name: None if value != value else [value, *interval]  # undefined: NaN is no JSON
            for name, (value, interval) in ((name, getattr(row, name)) for name in names)
        }
        for row in figures
    }
    return {"data": pictures.name, "pictures": figures[0].pictures, "figures": rows}


def _show(
    done: Calibration,
    chosen_on: _Pictures,
    checked_on: _Pictures | None,
    checked: Sequence[ThresholdFigures],
) -> None:
    from oddscape.report.threshold_table import threshold_table, threshold_words

    console = Console()
    parts = {f"chosen on {chosen_on.name}": done.figures}
    if checked_on is not None:
        parts[f"checked on {checked_on.name}"] = tuple(checked)
    console.print(threshold_table(parts, done.rule))
    for line in threshold_words(done, checked):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
