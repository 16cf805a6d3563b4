"""Everything that a training run can be told, readable from and writable to TOML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from oddscape.data.object_pasting import ObjectPasting
from oddscape.errors import OddscapeError
from oddscape.sizes import Size, parse_size, size_text
from oddscape.training.methods import LOSSES

TRAINING_SPLITS = {
    "bdd-anomaly": "train",
    "camvid": "train",
    "cityscapes": "train",
    "idd-lite": "train",
    "streethazards": "training",
    "streethazards-13": "training",
    "town": "training",
}
"""Data set → the split to train on where none is named."""

MAY_CHANGE = frozenset(
    {
        *("data", "inliers", "negatives_data", "weights", "imagenet", "out"),
        *("workers", "cache_mb", "threads", "checkpoint_every", "log_every", "resume", "resume_previous"),
    }
)
"""Fields that may differ when a run is taken up again: where things lie and how they are computed."""

SIZES = frozenset({"crop", "inlier_size", "negatives_crop"})
"""Fields that are (H, W) in code and width x height for people."""

HOLD_BACK_EVERY = 10
"""Of so many inliers one is not trained on, unless a run says otherwise."""

_CHOICES = {
    "method": tuple(LOSSES),
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("cosine", "poly", "constant"),
    "schedule_per": ("step", "epoch"),
    "mixed_precision": ("no", "bf16", "fp16"),
}
_POSITIVE = (
    *("epochs", "batch_size", "accumulate", "learning_rate", "poly_power", "log_every"),
    "negatives_shorter_side",
)
_NOT_NEGATIVE = (
    *("final_learning_rate", "momentum", "backbone_factor", "weight_decay", "warmup_steps", "beta"),
    *("rectangle_probability", "class_uniform", "seed", "workers", "cache_mb", "checkpoint_every"),
    *("label_confidence", "colour_jitter", "object_likeness"),
)


@dataclass(frozen=True)
class FurtherData:
    """A data set that a run trains on together with its first.

    Args:
        dataset: its name in ``odd.data.DATASETS``.
        data: its folder.
        times: how often an epoch takes each of its pictures.
        options: options of its reader, its training split among them.
    """

    dataset: str
    data: Path
    times: int
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; the defaults suit the small network on pictures of 320×180.

    The same configuration with the same seed shows the network the same pictures in the same steps, however
    a step's pictures are divided among processes and parts; only batch norms that are not frozen see the
    division.

    Args:
        method: name of the loss in ``odd.LOSSES``.
        loss_options: further options of the loss, such as ``weight`` of ``"entropy-maximisation"``.
        dataset: name of the training data in ``odd.data.DATASETS``.
        data: folder of the training data.
        out: the run folder; made where missing.
        dataset_options: further options of the data set's reader, such as ``split`` or ``held_out``.
        also: further data sets of the same classes to train on together with the first, each a table by a
            name of one's own: ``data``, its folder; ``dataset``, its name in ``odd.data.DATASETS``, by
            default the table's own; ``times``, how often an epoch takes each of its pictures, by default
            once; and options of its reader. As in ``[also.town]`` with ``classes = "camvid"``.
        inliers: in place of a data set, folders of pictures without labels, looked through at any depth, or
            glob patterns of such pictures. Their labels are the classes that the network gives them before it
            is trained, which are kept in the run folder.
        inlier_size: size that training pictures are brought to before their random resize, and that the
            network sees them at when it labels them, in code (H, W), elsewhere width x height. None: their
            own.
        label_confidence: pixels that the network itself labels with a posterior below this, in [0, 1), are
            void.
        hold_back_every: of so many training pictures one is not trained on and tells afterwards what the
            classes have suffered; 0: none. None: 10 with ``inliers``, else 0.
        model: name of the network in ``odd.MODELS``, or of another origin, as ``odd.create_model`` takes it.
            None: the method's small network. One without the outlier head that the method needs is given it.
        num_classes: number of known classes, K. None: that of the data set; with ``inliers`` that which
            ``weights`` name, or which the network brings.
        model_options: further options of the network, such as ``void``.
        weights: weights to start from; of a DiCNet the teacher's, of a network with outlier head or void
            class also those of one without. None: random weights, which a DiCNet does not take.
        imagenet: ImageNet weights that the trunk starts from, of a DiCNet its student's (``oddscape weights
            list``). None: random weights, or those of ``weights``.
        negatives: name of the data that is pasted, such as ``"ade20k"``.
        negatives_data: folder of the negatives.
        negatives_options: further options of their reader.
        negatives_shorter_side: pixels that a negative's shorter side is brought to.
        negatives_scale: range of the random coefficient of a further resize of negatives. None: none.
        negatives_crop: size of the patch that pieces are cut from, at most ``crop``.
        rectangle_probability: how often a rectangle is pasted and not segments.
        objects: range of the number of whole objects that are pasted, each as blurred as the picture, in
            place of a piece of a patch; ``negatives_shorter_side``, ``_scale``, ``_crop`` and
            ``rectangle_probability`` are then of no account. None: a piece of a patch, as published.
        object_area: range of the share of the crop that an object covers, drawn by its logarithm.
        object_likeness: colours of objects are brought nearer to the crop's by up to this share of the way.
        known_objects: COCO's categories whose objects are pasted likewise, as pixels of the known class that
            each names; that something is pasted then marks no anomaly. For ``"coco-outlines"``.
        known_objects_count: range of their number.
        epochs: passes over the training data; a rest smaller than a step is left out of each.
        batch_size: pictures of one step, over all processes and parts.
        accumulate: parts that each process computes its share of a step in, to save memory.
        optimizer: ``"adam"`` (β 0.9, 0.999, ε 1e-7; weight decay in the gradient), ``"adamw"`` or ``"sgd"``.
        momentum: of ``"sgd"``.
        learning_rate: at the start, after warm-up.
        final_learning_rate: what ``"cosine"`` and ``"poly"`` end in.
        schedule: ``"cosine"``, ``"poly"``, which falls with (1 − done)^poly_power, or ``"constant"``.
        schedule_per: whether the learning rate falls with each ``"step"`` or ``"epoch"``.
        poly_power: power of ``"poly"``.
        warmup_steps: steps in which the learning rate rises linearly.
        backbone_factor: the learning rate of parameters below an ``encoder`` or ``backbone`` is multiplied
            by this.
        head_learning_rate: learning rate of the outlier head, or of a small ladder's void class, in place of
            ``learning_rate``. None: the same.
        weight_decay: of all parameters.
        train_only: ``"head"``: the outlier head, or a small ladder's void class, alone. None: all.
        frozen: dotted names of layers that keep their weights and stay in evaluation mode, such as
            ``"encoder.initial_block"``.
        freeze_batch_norm: batch norms keep their running statistics and normalise with them. None: with
            ``inliers``, unless ``train_only`` freezes all but those of the head.
        sync_batch_norm: batch norms normalise with the statistics of all processes' pictures, on GPUs alone;
            else each process with those of its own.
        beta: β of DenseHybrid's loss.
        margin: the log-likelihood of negatives is pressed to −margin and no further. None: no bound.
        void_is_known: whether void pixels are inliers to DenseHybrid's dataset posterior.
        crop: size cut from each picture, in code (H, W), elsewhere width x height. None: whole pictures, all
            of one size.
        scale: range of the random coefficient that pictures are resized by first. None: no resize.
        class_uniform: how often a crop is centred on a class drawn uniformly, of a picture that shows it (Zhu
            et al., CVPR 2019: one half); all masks are then read before training begins.
        flip: mirror left and right half of the time.
        colour_jitter: brightness, contrast and saturation are multiplied by factors from 1 − this to
            1 + this; 0: as they are.
        pad_colour: RGB of padding.
        seed: of weights, order, augmentation and dropout.
        mixed_precision: ``"no"``, ``"bf16"`` or ``"fp16"``.
        workers: processes that read pictures beside each training process; 0: it reads them itself.
        cache_mb: memory for decoded pictures in each process that reads, in MB.
        threads: CPU threads of each process. None: PyTorch's choice.
        checkpoint_every: steps between checkpoints, beside the one after each epoch; 0: that one alone.
        log_every: steps between lines of the log, beside the one after each epoch.
        resume: go on where the run in ``out`` stopped; else begin anew and overwrite it.
        resume_previous: where the last checkpoint is broken, go on from the one before it.

    Raises:
        OddscapeError: a value that no run can have, or what the method needs is missing.
    """

    method: str
    dataset: str | None = None
    data: Path | None = None
    out: Path
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inliers: tuple[Path, ...] = ()
    inlier_size: Size | None = None
    label_confidence: float = 0.0
    hold_back_every: int | None = None
    model: str | None = None
    num_classes: int | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    imagenet: Path | None = None
    negatives: str | None = None
    negatives_data: Path | None = None
    negatives_options: Mapping[str, Any] = field(default_factory=dict)
    negatives_shorter_side: int = 180
    negatives_scale: tuple[float, float] | None = None
    negatives_crop: Size = (180, 180)
    rectangle_probability: float = 0.5
    objects: tuple[int, int] | None = None
    object_area: tuple[float, float] = (5e-4, 0.2)
    object_likeness: float = 0.0
    known_objects: Mapping[str, str] = field(default_factory=dict)
    known_objects_count: tuple[int, int] = (0, 2)
    epochs: int = 10
    batch_size: int = 8
    accumulate: int = 1
    optimizer: str = "adam"
    momentum: float = 0.9
    learning_rate: float = 4e-4
    final_learning_rate: float = 1e-7
    schedule: str = "cosine"
    schedule_per: str = "step"
    poly_power: float = 0.9
    warmup_steps: int = 0
    backbone_factor: float = 1.0
    head_learning_rate: float | None = None
    weight_decay: float = 0.0
    train_only: str | None = None
    frozen: tuple[str, ...] = ()
    freeze_batch_norm: bool | None = None
    sync_batch_norm: bool = False
    beta: float = 0.03
    margin: float | None = None
    void_is_known: bool = True
    crop: Size | None = None
    scale: tuple[float, float] | None = None
    class_uniform: float = 0.0
    flip: bool = True
    colour_jitter: float = 0.0
    pad_colour: tuple[int, int, int] = (84, 88, 95)
    seed: int = 0
    mixed_precision: str = "no"
    workers: int = 0
    cache_mb: int = 1024
    threads: int | None = None
    checkpoint_every: int = 0
    log_every: int = 1
    resume: bool = True
    resume_previous: bool = False

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise OddscapeError(f"unknown {name} {getattr(self, name)!r}; known: {', '.join(known)}")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise OddscapeError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise OddscapeError(f"{name} must not be negative, not {getattr(self, name)}")
        self._check_data()
        self._check_negatives()
        self._check_what_trains()
        if self.class_uniform and not self.crop:
            raise OddscapeError("class_uniform centres crops on classes, but no crop is given")
        if self.imagenet and self.weights and not LOSSES[self.method].distils:
            raise OddscapeError("weights and imagenet are both given, but weights fill the trunk, too")
        if self.batch_size % self.accumulate:
            raise OddscapeError(f"batch_size {self.batch_size} does not divide into {self.accumulate} parts")

    def _check_data(self) -> None:
        if self.inliers and (self.dataset or self.data or self.dataset_options):
            raise OddscapeError("inliers are pictures without labels; choose either them or a dataset")
        if self.inliers and self.also:
            raise OddscapeError("inliers are pictures without labels; also joins data sets with labels")
        _ = self.further_data  # says what is amiss in its tables
        if not self.inliers and not (self.dataset and self.data):
            raise OddscapeError(
                "training needs dataset and data, its folder, or inliers, folders of pictures"
            )
        if self.label_confidence and not self.inliers:
            raise OddscapeError("label_confidence is for inliers, which the network labels itself")
        if not self.label_confidence < 1:
            raise OddscapeError(f"label_confidence must be below 1, not {self.label_confidence}")
        if self.holds_back_every == 1 or self.holds_back_every < 0:
            raise OddscapeError(f"hold_back_every must be 2 or more, or 0, not {self.hold_back_every}")

    def _check_what_trains(self) -> None:
        if self.train_only not in (None, "head"):
            raise OddscapeError(f"unknown train_only {self.train_only!r}; known: head")
        if self.train_only and (self.frozen or self.backbone_factor != 1):
            raise OddscapeError("train_only = 'head' leaves nothing for frozen or backbone_factor to slow")
        if self.freeze_batch_norm and self.sync_batch_norm:
            raise OddscapeError("freeze_batch_norm and sync_batch_norm are both given: choose one")

    def _check_negatives(self) -> None:
        pastes = LOSSES[self.method].takes_negatives
        if pastes and not (self.negatives and self.negatives_data):
            raise OddscapeError(
                f"{self.method} needs negatives (such as 'ade20k') and negatives_data, their folder"
            )
        if self.objects:
            _ = ObjectPasting(self.objects, self.object_area)  # it checks them
        if self.known_objects and not (self.objects and self.negatives == "coco-outlines"):
            raise OddscapeError("known_objects are pasted beside objects of coco-outlines: give both")
        if self.negatives and not pastes:
            raise OddscapeError(f"{self.method} takes no negatives, but {self.negatives!r} is given")

    @property
    def model_name(self) -> str:
        """Name of the network, as ``odd.create_model`` takes it."""
        return self.model or LOSSES[self.method].model

    @property
    def freezes_batch_norm(self) -> bool:
        """``freeze_batch_norm``, or what it is where it is None."""
        if self.freeze_batch_norm is None:
            return bool(self.inliers) and self.train_only is None and not self.sync_batch_norm
        return self.freeze_batch_norm

    @property
    def holds_back_every(self) -> int:
        """``hold_back_every``, or what it is where it is None."""
        if self.hold_back_every is None:
            return HOLD_BACK_EVERY if self.inliers else 0
        return self.hold_back_every

    @property
    def training_options(self) -> dict[str, Any]:
        """Options of the training data's reader, its training split among them."""
        return with_training_split(self.dataset, self.dataset_options)

    @property
    def further_data(self) -> dict[str, FurtherData]:
        """The data sets of ``also`` in alphabetical order, each by its table's full name."""
        return {f"also.{name}": _further_data(name, self.also[name]) for name in sorted(self.also)}

    @property
    def times(self) -> dict[str, int]:
        """How often an epoch takes each picture of the data sets of ``also``, by their tables' full names."""
        return {name: part.times for name, part in self.further_data.items()}

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the pictures to train on lie."""
        first = self.inliers if self.data is None else (self.data,)
        return (*first, *(part.data for part in self.further_data.values()))

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> Self:
        """Read a configuration; ``overrides`` take the place of the file's values.

        Raises:
            OddscapeError: no such file, not TOML, an unknown field, or a value of another kind.
        """
        values = {**read_toml(path), **overrides}
        try:
            return cls(**values)
        except (OddscapeError, TypeError) as error:
            raise OddscapeError(f"{path}: {str(error).removeprefix('TrainConfig.__init__() ')}") from None

    def to_toml(self) -> str:
        """Write every field that is not None as TOML: sizes as "256x160", options as tables at the end."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {name: size_text(values[name]) for name in SIZES if values[name] is not None}
        plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        lines = _toml_lines(plain)
        for name, table in values.items():
            if isinstance(table, Mapping) and table:
                lines += _toml_table(name, table)
        return "\n".join(lines) + "\n"

    def differences(self, other: TrainConfig) -> tuple[str, ...]:
        """Names of the fields in which two configurations ask for another training."""
        names = (f.name for f in fields(self) if f.name not in MAY_CHANGE)
        return tuple(name for name in names if not _same(self._meant(name), other._meant(name)))

    def _meant(self, name: str) -> Any:
        """A field's value; where None follows from other fields, what follows."""
        settled = {
            "freeze_batch_norm": self.freezes_batch_norm,
            "hold_back_every": self.holds_back_every,
            "also": {
                name: {"dataset": part.dataset, "times": part.times, **part.options}
                for name, part in self.further_data.items()
            },
        }
        return settled.get(name, getattr(self, name))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read the fields that a TOML file gives, each as ``TrainConfig`` holds it.

    Raises:
        OddscapeError: no such file, not TOML, an unknown field, or a value of another kind.
    """
    try:
        with Path(path).open("rb") as file:
            values = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise OddscapeError(f"cannot read {path}: {error}") from None
    try:
        return field_values(values)
    except OddscapeError as error:
        raise OddscapeError(f"{path}: {error}") from None


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of both, those of ``above`` in place of those of ``below``; tables are joined, at any depth."""
    joined = {
        name: overlaid(below[name], value)
        for name, value in above.items()
        if isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
    }
    return {**below, **above, **joined}


def told(values: Mapping[str, Any], name: str) -> Any:
    """A field's value, or one in its tables, as in ``"also.town.data"``; None where nothing is told."""
    value: Any = values
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _same(one: Any, other: Any) -> bool:
    # Options that were read back hold lists where tuples were given.
    return bool(one == other) or json.dumps(one, default=dict) == json.dumps(other, default=dict)


def field_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as TOML gives them, each as ``TrainConfig`` holds it.

    Raises:
        OddscapeError: an unknown field, or a value of another kind.
    """
    kinds = get_type_hints(TrainConfig)
    if unknown := sorted(values.keys() - kinds.keys()):
        raise OddscapeError(f"unknown field {', '.join(unknown)}; known: {', '.join(kinds)}")
    return {
        name: _as_size(name, value) if name in SIZES else _as_kind(name, value, kinds[name])
        for name, value in values.items()
    }


def _as_size(name: str, value: Any) -> Size:
    if not isinstance(value, str):
        raise OddscapeError(f'{name} must be width x height, as in "320x180", not {value!r}')
    return parse_size(value)


def _as_kind(name: str, value: Any, kind: Any) -> Any:
    """A value from TOML as a field's type: lists as tuples, strings as paths, whole numbers as floats."""
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        kinds = get_args(kind)
        kinds = kinds[:1] * len(value) if kinds[-1] is ... else kinds
        if len(kinds) == len(value):
            return tuple(_as_kind(name, part, one) for part, one in zip(value, kinds, strict=True))
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        return dict(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise OddscapeError(f"{name} must be {getattr(kind, '__name__', kind)}, not {value!r}")


def with_training_split(dataset: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a data set's reader, its training split where they name none."""
    split = {"split": TRAINING_SPLITS[dataset]} if dataset in TRAINING_SPLITS else {}
    return {**split, **options}


def _further_data(name: str, table: Any) -> FurtherData:
    """Read a table of ``also``."""
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise OddscapeError(f"[also.{name}] begins names of pictures: use letters, digits, - and _")
    if not isinstance(table, Mapping):
        raise OddscapeError(f"also.{name} = {table!r}: expected a table [also.{name}] with data, its folder")
    options = dict(table)
    dataset, data, times = options.pop("dataset", name), options.pop("data", None), options.pop("times", 1)
    if not isinstance(data, (str, Path)):
        raise OddscapeError(f"[also.{name}] needs data (--also.{name}.data), the folder of {dataset}")
    if type(times) is not int or times < 1:
        raise OddscapeError(f"[also.{name}] times = {times!r}: expected a whole number from 1 on")
    return FurtherData(dataset, Path(data), times, with_training_split(dataset, options))


def _toml_table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """A table, or in place of a table of tables each of these."""
    if table and all(isinstance(value, Mapping) for value in table.values()):
        for inner, value in table.items():
            yield from _toml_table(f"{name}.{inner}", value)
    else:
        yield from ("", f"[{name}]", *_toml_lines(table))


def _toml_lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_toml_value(value)}" for name, value in table.items() if value is not None]


def _toml_value(value: Any) -> str:
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml_value(part) for part in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(_toml_lines(value))}}}"
    return str(value).lower()
