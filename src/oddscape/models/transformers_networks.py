"""Segmentation networks of the ``transformers`` library, by folder or by hub id."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.adapters import wrap
from oddscape.models.mask_classification import MaskClassification, PaddedPicture, Showing
from oddscape.models.packages import does_not_load, load_package
from oddscape.models.square_windows import SquareWindows

Normalise = tuple[Sequence[float], Sequence[float]]

_SEMANTIC = {
    "beit": "decode_head.fpn_bottleneck",
    "data2vec-vision": "decode_head.fpn_bottleneck",
    "mobilenet_v2": "segmentation_head.dropout",
    "mobilevit": "segmentation_head.dropout",
    "mobilevitv2": "segmentation_head.dropout",
    "segformer": "decode_head.dropout",
    "upernet": "decode_head.fpn_bottleneck",
}
"""Kinds of networks of logits, and in each the layer whose maps the classifier reads."""

_SQUARE = {"eomt": "upscale_block", "eomt_dinov3": "upscale_block"}
_MASKS = _SQUARE | {
    "mask2former": "model.pixel_level_module.decoder.mask_projection",
    "maskformer": "model.pixel_level_module.decoder.mask_projection",
}
"""Kinds of networks of masks, and in each the layer whose maps are multiplied with queries to masks."""

_HUB_ID = r"[\w-][\w.-]*(/[\w-][\w.-]*)?"


def transformers_network(
    name: str | Path,
    num_classes: int | None = None,
    *,
    keep: Sequence[int] | None = None,
    void: int | None = None,
    normalise: Normalise | None = None,
) -> nn.Module:
    """Load a segmentation network of the ``transformers`` library with its weights.

    SegFormer, UPerNet, BEiT, Data2Vec, MobileNetV2 and MobileViT give logits and, as ``features``, what
    their classifier reads. Mask2Former, MaskFormer and EoMT give ``mask_logits`` and ``class_logits``, the
    logits that follow from them (:class:`~oddscape.models.mask_classification.MaskClassification`) and, as
    ``features``, the maps that queries are multiplied with.

    Colours are normalised as the network's image processor says. Its resizing is left out, for the size at
    which pictures are shown belongs to a run. EoMT alone reads squares of one size: pictures are resized and
    cut into windows, or padded, as its processor does
    (:class:`~oddscape.models.square_windows.SquareWindows`).

    The library's own module, with its ``config``, is ``.net`` of what is returned; for UPerNet its
    ``backbone`` and ``decode_head`` alone. The names of the known classes are ``.class_names``.

    Args:
        name: a folder that ``save_pretrained`` wrote, for which nothing reaches for the network; or a hub id,
            which is fetched once and then works offline (``HF_HUB_OFFLINE=1``).
        num_classes: number of known classes, K, where it is to be made sure of.
        keep: which of the network's classes are the known ones, in order. None: all but ``void``.
        void: the class that stands for "none of these".
        normalise: mean and standard deviation of each colour channel of pictures in [0, 1], instead of the
            processor's.

    Returns:
        A network in evaluation mode that maps pictures float [N, 3, H, W] in [0, 1] to a ``DenseOutput``.

    Raises:
        OddscapeError: ``transformers`` is not installed; no such folder or hub id; a network of another kind;
            weights that are missing, broken or do not fit; no image processor and no ``normalise``; classes
            that the network does not have.
    """
    source = _source(name)
    with _quiet_library(), _told_in_one_line(source):
        config = _config(source)
        model = _model(source, config)
        processor = _processor(source, needed=normalise is None)
    names = [config.id2label[index] for index in range(config.num_labels)]
    known = _known(source, names, num_classes, keep, void)
    colours = _colours(processor, source) if normalise is None else _Colours(*normalise)
    net = _network(model, config, colours, processor, known, void)
    # Around nn.Module's setter, which is typed for tensors and modules alone.
    object.__setattr__(net, "class_names", tuple(names[index] for index in known))
    return net.eval()


@dataclass(frozen=True)
class _Colours:
    """Mean and standard deviation of colour channels in [0, 1], R, G, B; whether they are then reversed."""

    mean: Sequence[float]
    std: Sequence[float]
    reversed: bool = False


class _ReversedChannels(nn.Module):
    """A network that reads pictures as B, G, R."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Any:
        return self.net(image.flip(1))


class _UPerNet(nn.Module):
    """UPerNet without its auxiliary head and without the upsampling of logits to the picture's size."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.config, self.backbone, self.decode_head = net.config, net.backbone, net.decode_head

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.decode_head(self.backbone(image).feature_maps)
        return logits


def _network(
    model: nn.Module,
    config: Any,
    colours: _Colours,
    processor: dict[str, Any],
    known: Sequence[int],
    void: int | None,
) -> nn.Module:
    kind = config.model_type
    features, net = (_SEMANTIC | _MASKS)[kind], _UPerNet(model) if kind == "upernet" else model
    if kind in _SQUARE:
        _fix_attention(model)
    if colours.reversed:
        features, net = f"net.{features}", _ReversedChannels(net)
    normalise = (colours.mean, colours.std)
    if kind in _SEMANTIC:
        multiple = _multiple(config)
        return wrap(net, features=features, normalise=normalise, keep=known, void=void, multiple=multiple)
    return MaskClassification(
        net,
        features=features,
        normalise=normalise,
        known=known,
        void=void,
        showing=_showing(config, processor),
    )


def _fix_attention(eomt: nn.Module) -> None:
    """Make EoMT's probabilities of masked attention plain numbers.

    The library reads them out of a buffer in each layer, for which a GPU has to wait and where export ends.
    """
    probabilities: Tensor = eomt.get_buffer("attn_mask_probs")
    del eomt.attn_mask_probs
    object.__setattr__(eomt, "attn_mask_probs", probabilities.tolist())


def _multiple(config: Any) -> int:
    """What sides must be multiples of, lest the network leave out a margin and stretch its maps over it."""
    if config.model_type == "upernet":
        patch = getattr(config.backbone_config, "patch_size", 32)
        return 32 if 32 % patch == 0 else patch
    return config.patch_size if config.model_type in ("beit", "data2vec-vision") else 1


def _showing(config: Any, processor: dict[str, Any]) -> Showing:
    if config.model_type not in _SQUARE:
        multiple = processor.get("size_divisor") or processor.get("size_divisibility") or 32
        return partial(PaddedPicture, multiple=multiple)
    side, patch = config.image_size, config.patch_size
    cells = side // patch * 2**config.num_upscale_blocks
    return partial(SquareWindows, side=side, cells=cells, split=bool(processor.get("do_split_image", True)))


def _source(name: str | Path) -> str:
    """The folder or hub id; a name that is both is the folder."""
    source = str(name)
    if Path(source).expanduser().is_dir():
        return str(Path(source).expanduser())
    if isinstance(name, Path) or not re.fullmatch(_HUB_ID, source):
        raise OddscapeError(
            f"no folder {source}; expected one that transformers' save_pretrained wrote, or a hub id"
        )
    return source


@contextmanager
def _quiet_library() -> Iterator[None]:
    """No log lines and progress bars of the library; and no request to have weights converted on the hub."""
    log = load_package("transformers", "transformers").utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    converting = os.environ.get("DISABLE_SAFETENSORS_CONVERSION")
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
        if converting is None:
            del os.environ["DISABLE_SAFETENSORS_CONVERSION"]
        else:
            os.environ["DISABLE_SAFETENSORS_CONVERSION"] = converting


@contextmanager
def _told_in_one_line(source: str) -> Iterator[None]:
    """Whatever the library says about bad files, which it does in errors of any kind, in one line."""
    try:
        yield
    except OddscapeError:
        raise
    except Exception as error:
        if "torchvision" in (root := str(_root(error))):
            raise OddscapeError(does_not_load("transformers", root)) from error
        what = source if Path(source).is_dir() else f"{source}, which is no folder here, from its hub"
        raise OddscapeError(f"transformers cannot load {what}: {_reason(error)}") from error


def _root(error: BaseException) -> BaseException:
    """What an error goes back to: the library says of a failed import that it failed, and no more."""
    cause = error.__cause__
    return error if cause is None else _root(cause)


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        return "its weights are pickled objects, which could run code; expected tensors, best as safetensors"
    if "trust_remote_code" in str(error):
        return "it needs code of its own, which is never run"
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def _config(source: str) -> Any:
    from transformers import AutoConfig

    if Path(source).is_dir() and not Path(source, "config.json").is_file():
        raise OddscapeError(f"no config.json in {source}; expected a folder that save_pretrained wrote")
    config = AutoConfig.from_pretrained(source, **_loading(source))
    if config.model_type not in _SEMANTIC | _MASKS:
        raise OddscapeError(
            f"{source} is of transformers' kind {config.model_type!r}; expected a segmentation network: "
            f"{', '.join(sorted(_SEMANTIC | _MASKS))}"
        )
    return config


def _model(source: str, config: Any) -> nn.Module:
    from transformers import AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    masks = config.model_type in _MASKS
    auto: Any = AutoModelForUniversalSegmentation if masks else AutoModelForSemanticSegmentation
    # What does not fit is left out and told, so that it can be said here.
    reporting = {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model: nn.Module
    model, info = auto.from_pretrained(
        source, config=config, dtype=torch.float32, **reporting, **_loading(source)
    )
    _check_weights(source, config, model, info)
    return model


def _check_weights(source: str, config: Any, model: nn.Module, info: Mapping[str, Any]) -> None:
    """Refuse a model of which the library has filled a part with random numbers."""
    for name, found, wanted in sorted(info["mismatched_keys"]):
        raise OddscapeError(
            f"the weights in {source} do not fit its config.json: {name} has shape {list(found)}, "
            f"expected {list(wanted)}"
        )
    # Buffers, which a release of the library may add, do no harm.
    missing = sorted(set(info["missing_keys"]) & {name for name, _ in model.named_parameters()})
    if missing:
        held = ", ".join(config.architectures or ["another network"])
        raise OddscapeError(
            f"{source} holds weights of {held}, which lack {len(missing)} of {type(model).__name__}'s: "
            f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}"
        )


def _processor(source: str, *, needed: bool) -> dict[str, Any]:
    """What the network's image processor does, as its file has it; the processor itself needs torchvision."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        processor: dict[str, Any]
        processor, _ = ImageProcessingMixin.get_image_processor_dict(source, **_loading(source))
    except OSError as error:
        if not needed:
            return {}
        raise OddscapeError(
            f"{source} has no readable preprocessor_config.json, so how colours are normalised is not known; "
            f"say it by normalise=(mean, std), each of three channels of pictures in [0, 1]"
        ) from error
    return processor


def _loading(source: str) -> dict[str, bool]:
    """Never code out of a download; for a folder nothing from the hub."""
    return {"trust_remote_code": False, "local_files_only": Path(source).is_dir()}


def _colours(processor: dict[str, Any], source: str) -> _Colours:
    """A processor's rescaling of 0 … 255 and its normalisation, as one normalisation of [0, 1]."""
    scale = 255 * processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 255.0
    flipped = bool(processor.get("do_flip_channel_order", False))
    # MobileViT's processor, the one that reverses channels, is the one that does not normalise by default.
    normalised = processor.get("do_normalize", not flipped)
    mean, std = (processor.get("image_mean"), processor.get("image_std")) if normalised else (0.0, 1.0)
    if mean is None or std is None:
        given = json.dumps({key: processor.get(key) for key in ("do_normalize", "image_mean", "image_std")})
        raise OddscapeError(
            f"the preprocessor_config.json of {source} has no mean and deviation to normalise by: {given}; "
            f"say them by normalise=(mean, std)"
        )
    return _Colours(_channels(mean, scale, flipped), _channels(std, scale, flipped), flipped)


def _channels(value: float | Sequence[float], scale: float, flipped: bool) -> list[float]:
    channels = [value] * 3 if isinstance(value, int | float) else list(value)
    return [channel / scale for channel in (reversed(channels) if flipped else channels)]


def _known(
    source: str, names: Sequence[str], num_classes: int | None, keep: Sequence[int] | None, void: int | None
) -> list[int]:
    """The classes that are known, checked against those that the network has."""
    known = [index for index in range(len(names)) if index != void] if keep is None else list(keep)
    chosen = known + ([] if void is None else [void])
    if not known or not set(chosen) <= set(range(len(names))) or len(set(chosen)) < len(chosen):
        raise OddscapeError(
            f"{source} has {len(names)} classes, 0 … {len(names) - 1}; known classes are to be {known}, "
            f"void {void}"
        )
    if num_classes not in (None, len(known)):
        raise OddscapeError(f"{source} has {len(known)} known classes, not {num_classes}")
    return known
