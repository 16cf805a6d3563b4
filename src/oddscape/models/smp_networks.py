"""Networks of segmentation_models.pytorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import signature
from typing import Any

from oddscape.errors import OddscapeError
from oddscape.models.adapters import IMAGENET, WrappedNetwork, wrap
from oddscape.models.packages import load_package

_EXTRA = "smp"
_SETTLED = ("encoder_name", "encoder_weights", "in_channels", "classes", "kwargs")


def smp_network(name: str, num_classes: int, *, void: bool = False, **options: Any) -> WrappedNetwork:
    """Make a network of segmentation_models.pytorch with random weights.

    Its output's ``features`` are the decoder's, which the segmentation head reads; pictures are normalised as
    ImageNet's, and padded where the network wants sides of certain multiples.

    Args:
        name: architecture and encoder, as in ``"Unet/resnet18"``.
        num_classes: number of known classes, K.
        void: whether the network has a further, last output for void.
        **options: what the architecture's constructor takes beside, such as ``encoder_depth=4``.

    Raises:
        OddscapeError: the package is missing or does not load; an unknown name or option.
    """
    smp = load_package("segmentation_models_pytorch", _EXTRA)
    architecture, _, encoder = name.partition("/")
    make = _architectures().get(architecture.lower())
    if make is None:
        known = ", ".join(each.__name__ for each in _architectures().values())
        raise OddscapeError(
            f"segmentation_models.pytorch has no architecture {architecture!r}; it has: {known}"
        )
    _require_encoder(encoder, smp.encoders.get_encoder_names(), example=f"{make.__name__}/resnet18")
    _require_options(make, encoder, options)
    try:
        net = make(encoder, encoder_weights=None, classes=num_classes + void, **options)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise OddscapeError(f"segmentation_models.pytorch cannot make {name}: {error}") from None
    return wrap(
        net,
        features="decoder",
        normalise=IMAGENET,
        num_classes=num_classes,
        void=num_classes if void else None,
        multiple=net.encoder.output_stride if net.requires_divisible_input_shape else 1,
    )


def _architectures() -> dict[str, Any]:
    """The architectures' classes by name in small letters."""
    smp = load_package("segmentation_models_pytorch", _EXTRA)
    classes: dict[str, Any] = smp.MODEL_ARCHITECTURES_MAPPING
    return classes


def _require_encoder(encoder: str, known: list[str], example: str) -> None:
    # After "tu-" comes the name of any of timm's encoders.
    if encoder not in known and not encoder.startswith("tu-"):
        near = ", ".join(get_close_matches(encoder, known, n=8, cutoff=0.4) or known[:8])
        raise OddscapeError(
            f"segmentation_models.pytorch has no encoder {encoder!r}; among those it has: {near}, and timm's "
            f"as tu-NAME; expected ARCHITECTURE/ENCODER, as in {example}"
        )


def _require_options(make: Callable[..., Any], encoder: str, options: Iterable[str]) -> None:
    # It passes what it does not know to timm's encoders, and drops it with its own.
    known = [name for name in signature(make).parameters if name not in _SETTLED]
    unknown = [name for name in options if name not in known]
    if unknown and not encoder.startswith("tu-"):
        raise OddscapeError(
            f"segmentation_models.pytorch's {make.__name__} does not take {', '.join(unknown)}; "
            f"it takes: {', '.join(known)}"
        )
