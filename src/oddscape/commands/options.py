"""What several commands take: sizes, networks with their weights, and how these see pictures."""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from cyclopts import Parameter, Token, convert
from rich.console import Console

from oddscape.errors import OddscapeError
from oddscape.sizes import InferenceSize, Size, parse_inference_size, parse_size, size_text
from oddscape.weights.shipped import SHIPPED

if TYPE_CHECKING:
    import torch
    from torch import nn

    from oddscape.data import Dataset
    from oddscape.detector import Detector
    from oddscape.labels import LabelSpace
    from oddscape.regions import RegionRules
    from oddscape.scores import Score


def _size(_hint: Any, tokens: Sequence[Token]) -> Size:
    return parse_size(tokens[0].value)


def _inference_size(_hint: Any, tokens: Sequence[Token]) -> InferenceSize:
    return parse_inference_size(tokens[0].value)


def _shown(size: InferenceSize | None) -> str:
    return size_text(size) if size else "none"


SizeOption: TypeAlias = Annotated[
    Size | None, Parameter(converter=_size, n_tokens=1, metavar="WxH", show_default=_shown)
]
"""A size on the command line: width x height, as in 1024x512."""

InferenceSizeOption: TypeAlias = Annotated[
    InferenceSize | None,
    Parameter(converter=_inference_size, n_tokens=1, metavar="WxH|SIDE", show_default=_shown),
]
"""What networks see, on the command line: width x height, or the shorter side, as in 432."""


def _as_toml(_hint: Any, tokens: Sequence[Token]) -> Any:
    # Left to the command line's own conversion, 0.5 would be the whole number 0.
    text = tokens[0].value
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _with_underscores(hint: Any, tokens: Any) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in convert(hint, tokens).items()}


TableOption: TypeAlias = Annotated[
    dict[str, Annotated[int | float | bool | str, Parameter(converter=_as_toml, n_tokens=1)]],
    Parameter(converter=_with_underscores),
]
"""A table on the command line, each value as ``--table.NAME VALUE``: read as TOML, else taken as text.

A dash in NAME stands for an underscore, as in every other option.
"""


def _scales(_hint: Any, tokens: Sequence[Token]) -> tuple[float, ...]:
    texts = [text for token in tokens for text in token.value.split(",")]
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        raise OddscapeError(f"--scales {','.join(texts)}: expected factors, as in 0.75,1,1.25") from None


def _scales_shown(scales: tuple[float, ...]) -> str:
    return ",".join(f"{scale:g}" for scale in scales)


ScalesOption: TypeAlias = Annotated[
    tuple[float, ...],
    Parameter(converter=_scales, n_tokens=1, metavar="FLOAT,…", show_default=_scales_shown),
]
"""Factors on the command line, with commas between them or each with the option's name before it."""


def reader_option(text: str) -> tuple[str, str]:
    """Take NAME=VALUE, an option of a data set's reader, apart."""
    name, equals, value = text.partition("=")
    if not equals:
        raise OddscapeError(f"--reader {text}: expected NAME=VALUE, as in split=test")
    return name, value


def known_data(dataset: str, folder: Path, reader: Sequence[str]) -> Dataset:
    """A data set of known things; its split is that of ``oddscape train`` unless the reader is told one."""
    from oddscape import data as data_sets
    from oddscape.training.config import with_training_split

    told = dict(reader_option(text) for text in reader)
    return data_sets.open(dataset, folder, **with_training_split(dataset, told))


def fitted_scores(file: Path | None) -> dict[str, Score]:
    """The scores of a file of ``oddscape fit``, by name; none without a file."""
    from oddscape.scores.fitted.files import load_scores

    return {} if file is None else load_scores(file)


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Which network, with which weights; or several of them as an ensemble.

    Parameters
    ----------
    model
        The network: a name of ``oddscape models``, ``transformers:FOLDER`` (or an id there),
        ``torchvision:NAME``, ``smp:NAME``, ``timm:NAME`` (an encoder), or one's own ``FILE.py:FUNCTION``; not
        needed with weights that Oddscape trained.
    num_classes
        Number of known classes; not needed with weights that Oddscape trained, nor where the network brings
        its own.
    model_options
        Options of the network, each as ``--model-options.NAME VALUE``.
    void
        The network has one more, trailing output for void.
    weights
        File of weights: .safetensors, or a released .pth; not needed where the network brings its own. Given
        several times: an ensemble of as many networks, whose files may be for different ones.
    threads
        Threads that a CPU computes with; by default torch's own choice.
    device
        Where the network runs, as in ``cpu`` or ``cuda:1``; by default a GPU where there is one.
    """

    model: str | None = None
    num_classes: int | None = None
    model_options: TableOption = field(default_factory=dict)
    void: bool = False
    weights: tuple[Path, ...] = ()
    threads: int | None = None
    device: str | None = None

    @property
    def weights_names(self) -> str:
        """The files of weights without their folders, for the record of a run; "" without any."""
        return ", ".join(file.name for file in self.weights)

    @property
    def methods(self) -> list[str]:
        """By which method each of the files says that it was trained, if it does."""
        return self._said_of("method")

    @property
    def saw_outliers(self) -> bool:
        """Whether any of the files says that it was trained with a loss that takes negatives."""
        from oddscape.training.methods import LOSSES

        return any(LOSSES[method].takes_negatives for method in self.methods if method in LOSSES)

    def label_space(self, num_classes: int) -> LabelSpace | None:
        """Names and colours of so many known classes, if a file names as many."""
        from oddscape.data.named_classes import classes_named

        named = [json.loads(names) for names in self._said_of("classes")]
        return next((classes_named(names) for names in named if len(names) == num_classes), None)

    def _said_of(self, key: str) -> list[str]:
        from oddscape.models import checkpoint_metadata

        said = [checkpoint_metadata(file) for file in self.weights]
        return [metadata[key] for metadata in said if key in metadata]

    def load(self) -> tuple[list[nn.Module], str]:
        """Make the networks, load their weights, and return them with the name of all: ``"erfnet ×3"``."""
        self.limit_threads()
        loaded = [self._load(file) for file in self.weights or (None,)]
        counts = Counter(name for _, name in loaded)
        names = (f"{name} ×{count}" if count > 1 else name for name, count in counts.items())
        return [net for net, _ in loaded], " + ".join(names)

    def _load(self, weights: Path | None) -> tuple[nn.Module, str]:
        """One network with its weights, and its name."""
        from oddscape.models import create_model, load_checkpoint

        said = _Said.by(weights)
        name, classes = self.model or said.model, self.num_classes or said.num_classes
        self._require(weights, name, classes)
        options = said.model_options if name == said.model else {}
        void = {"void": True} if self.void else {}
        net = create_model(name, classes, **{**options, **self.model_options, **void})
        if weights is not None:
            load_checkpoint(net, weights)
        return net.to(self.torch_device()), name

    def _require(self, weights: Path | None, name: str, classes: int | None) -> None:
        """Make sure that there is a network, with trained weights, which do not make code run."""
        from oddscape.models import MODELS
        from oddscape.models.own_file import is_own_file

        if weights is None and not name.startswith("transformers:") and not is_own_file(name):
            raise OddscapeError("--weights FILE is needed: a network without trained weights says nothing")
        if not name or (name in MODELS and not classes):
            raise OddscapeError(f"{weights} does not say which network it is: give --model and --num-classes")
        if is_own_file(name) and self.model is None:
            raise OddscapeError(
                f"{weights} is for the network of {name}; weights alone run no code: "
                f"give --model {name} to run it"
            )

    def limit_threads(self) -> None:
        """Let a CPU compute with as many threads as asked for, if asked."""
        import torch

        if self.threads:
            torch.set_num_threads(self.threads)

    def torch_device(self) -> torch.device:
        """The device asked for, else a GPU where there is one."""
        import torch

        try:
            own_gpu = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"  # each process that torchrun starts has one
            device = torch.device(self.device or (own_gpu if torch.cuda.is_available() else "cpu"))
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise OddscapeError(f"--device {self.device}: cannot be used here ({reason})") from None
        return device


@dataclass(frozen=True)
class _Said:
    """Which network weights are for, as they say themselves."""

    model: str
    num_classes: int | None
    model_options: dict[str, Any]

    @classmethod
    def by(cls, weights: Path | None) -> Self:
        from oddscape.detector_file import DETECTOR
        from oddscape.models import checkpoint_metadata

        known = {} if weights is None else checkpoint_metadata(weights)
        if DETECTOR in known:
            raise OddscapeError(f"{weights} holds a detector: give it as --detector {weights}")
        classes, options = known.get("num_classes", "0"), known.get("model_options", "{}")
        try:
            return cls(known.get("model", ""), int(classes) or None, dict(json.loads(options)))
        except (ValueError, TypeError):
            raise OddscapeError(
                f"{weights} does not say rightly which network it is: num_classes {classes}, expected a "
                f"number; model_options {options}, expected a JSON object"
            ) from None


@Parameter(name="*")
@dataclass(frozen=True)
class InferenceOptions:
    """How the network sees the pictures, and how often.

    Parameters
    ----------
    size
        Width x height at which the network sees the pictures, as in 1024x512, or the shorter side of each,
        as in 432; by default their own.
    react
        LAYER=THRESHOLD: what this layer reads is clipped at the threshold (ReAct), as ``oddscape fit-react``
        prints it.
    window
        Width x height, multiples of 32 from 64 on, of overlapping windows that it sees them in, for pictures
        too large for memory; by default it sees them whole.
    overlap
        Least share of a window that it has in common with the next, in [0, 1); by default 0.25.
    scales
        Factors of the size to average over, as in 0.75,1,1.25.
    flip
        Average over the mirror image, too.
    mc_dropout
        Run it so many times with its dropout at work (MC dropout), as in 8; what is dropped is the same in
        every run.
    odin
        Move each value of the picture so far towards the network's own answer (ODIN), as in 0.0014; 0: the
        temperature alone.
    odin_temperature
        What ODIN divides the logits by; by default 1000.
    """

    size: InferenceSizeOption = None
    react: str | None = None
    window: SizeOption = None
    overlap: float | None = None
    scales: ScalesOption = (1.0,)
    flip: bool = False
    mc_dropout: int | None = None
    odin: float | None = None
    odin_temperature: float | None = None

    def around(self, nets: Sequence[nn.Module]) -> nn.Module:
        """Make networks one, with the wrappers that these options ask for.

        The innermost first: ReAct, windows, scales and flips, MC dropout, the ensemble of several networks,
        ODIN. So every scale is shown in windows, and every member of an ensemble sees what ODIN moved for
        all of them.
        """
        from oddscape.wrappers.ensemble import ensemble
        from oddscape.wrappers.odin import odin

        members = [self._in_several_passes(self._clipped(net)) for net in nets]
        net = members[0] if len(members) == 1 else ensemble(members)
        if self.odin is not None:
            temperature = 1000.0 if self.odin_temperature is None else self.odin_temperature
            return odin(net, self.odin, temperature)
        if self.odin_temperature is not None:
            raise OddscapeError("--odin-temperature is for ODIN: give --odin, too")
        return net

    def _clipped(self, net: nn.Module) -> nn.Module:
        from oddscape.wrappers.react import react

        if self.react is None:
            return net
        layer, _, text = self.react.rpartition("=")
        try:
            threshold = float(text)
        except ValueError:
            raise OddscapeError(
                f"--react {self.react}: expected LAYER=THRESHOLD, as oddscape fit-react prints it"
            ) from None
        return react(net, layer, threshold)

    def _in_several_passes(self, net: nn.Module) -> nn.Module:
        from oddscape.wrappers.mc_dropout import mc_dropout
        from oddscape.wrappers.multi_scale import MultiScaleFlip
        from oddscape.wrappers.windows import SlidingWindows

        if self.window is not None:
            net = SlidingWindows(net, self.window, 0.25 if self.overlap is None else self.overlap)
        elif self.overlap is not None:
            raise OddscapeError("--overlap is for windows: give --window, too")
        if self.flip or self.scales != (1.0,):
            net = MultiScaleFlip(net, self.scales, self.flip)
        return net if self.mc_dropout is None else mc_dropout(net, self.mc_dropout, seed=0)


@Parameter(name="*")
@dataclass(frozen=True)
class RegionOptions:
    """What is done to the pixels above the threshold; by default what the detector's file says, else nothing.

    Parameters
    ----------
    min_region
        Anomalous regions of fewer pixels are dropped; 1 drops none.
    hysteresis
        A low threshold: pixels above it are anomalies, too, where they connect to one above the threshold.
    """

    min_region: int | None = None
    hysteresis: float | None = None

    def over(self, rules: RegionRules) -> RegionRules:
        """The rules of a detector, with what these options say in place of its own."""
        said: dict[str, Any] = {"min_region": self.min_region, "low": self.hysteresis}
        return replace(rules, **{name: value for name, value in said.items() if value is not None})


@Parameter(name="*")
@dataclass(frozen=True)
class DetectorOptions:
    """A detector: from its file, or made of a network, a score and a threshold.

    Parameters
    ----------
    detector
        File of ``oddscape detector save``, which brings the network, the score, the threshold and how the
        network sees pictures; or street-lite, which comes with Oddscape.
    score
        The score's name; by default energy.
    fitted
        File of ``oddscape fit``, whose scores may then be named.
    threshold
        Pixels with a score above it are anomalies; by default none is called one.
    """

    detector: Path | None = None
    network: NetworkOptions = NetworkOptions()
    score: str | None = None
    fitted: Path | None = None
    threshold: float | None = None
    regions: RegionOptions = RegionOptions()
    inference: InferenceOptions = InferenceOptions()

    @property
    def names_network(self) -> bool:
        """Whether a network is named, or a detector that brings one."""
        return bool(self.detector or self.network.model or self.network.weights)

    def load_or_shipped(self) -> tuple[Detector, dict[str, str]]:
        """The detector as :meth:`load` gives it, or where none is named the one that comes with Oddscape."""
        return self.load() if self.names_network else self._load_shipped()

    def load_announced(self, *, tell: bool = True) -> Detector:
        """The same detector; a line tells the licence of weights that nobody named."""
        detector, about = self.load_or_shipped()
        if tell and not self.names_network:
            licence = about.get("licence", "not stated")
            console = Console(soft_wrap=True, highlight=False, markup=False)
            console.print(f"weights: {SHIPPED}, which comes with Oddscape; licence: {licence}")
        return detector

    def _load_shipped(self) -> tuple[Detector, dict[str, str]]:
        """The detector that comes with Oddscape, where no other is named; what its file says of it."""
        anywhere = replace(
            self, network=replace(self.network, threads=None, device=None), regions=RegionOptions()
        )
        if anywhere != DetectorOptions():
            raise OddscapeError(
                f"--weights FILE is needed beside these options: {SHIPPED}, which comes with Oddscape, "
                "brings its own score, threshold and size"
            )
        return self._with_rules(*load_detector(Path(SHIPPED), self.network))

    def load(self) -> tuple[Detector, dict[str, str]]:
        """The detector on its device, and what is known of its network: ``model``, ``saw_outliers`` …."""
        if self.detector is None:
            return self._with_rules(*self._made())
        rest = replace(self, detector=None, network=NetworkOptions(), regions=RegionOptions())
        refuse_beside_detector(self.network, nothing_else=rest == DetectorOptions())
        return self._with_rules(*load_detector(self.detector, self.network))

    def _with_rules(self, detector: Detector, about: dict[str, str]) -> tuple[Detector, dict[str, str]]:
        return detector.deciding_by(detector.threshold, self.regions.over(detector.rules)), about

    def _made(self) -> tuple[Detector, dict[str, str]]:
        from oddscape.detector import Detector
        from oddscape.models import probe
        from oddscape.scores import pick_scores
        from oddscape.wrappers.left_out import left_out

        nets, model = self.network.load()
        net, name = self.inference.around(nets), self.score or "energy"
        out = probe(net)
        score = pick_scores([name], out.fields, fitted_scores(self.fitted), left_out(net))[name]
        labels = self.network.label_space(out.num_classes)
        detector = Detector(net, score, self.threshold, size=self.inference.size, label_space=labels)
        return detector, {
            "model": model,
            "weights": self.network.weights_names,
            "method": ", ".join(dict.fromkeys(self.network.methods)),
            "saw_outliers": json.dumps(self.network.saw_outliers),
        }


def load_detector(file: Path, network: NetworkOptions) -> tuple[Detector, dict[str, str]]:
    """A detector from its file, on the device asked for, and what the file says of its network.

    Args:
        file: of ``oddscape detector save``, or the name of the detector that comes with Oddscape.
        network: threads and device; and the model, where a function in a file of one's own makes it.
    """
    from oddscape.detector import Detector
    from oddscape.models import checkpoint_metadata, create_model
    from oddscape.weights.shipped import shipped_file

    file = shipped_file() if str(file) == SHIPPED else file
    network.limit_threads()
    own = create_model(network.model, network.num_classes, **network.model_options) if network.model else None
    detector = Detector.load(file, own)
    detector.net.to(network.torch_device())
    return detector, checkpoint_metadata(file)


def refuse_beside_detector(network: NetworkOptions, *, nothing_else: bool) -> None:
    """Make sure that nothing was asked for that a detector brings itself."""
    from oddscape.models.own_file import is_own_file

    asked = replace(network, threads=None, device=None)
    if is_own_file(network.model or ""):  # the code of one's own network is in no file of weights
        asked = replace(asked, model=None, num_classes=None, model_options={})
    if asked != NetworkOptions() or not nothing_else:
        raise OddscapeError(
            "--detector brings its network, score, threshold and size: leave out --model, --weights, "
            "--score, --fitted, --threshold, --size and the like"
        )
