"""Segmentation networks of torchvision."""

from __future__ import annotations

from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.adapters import IMAGENET, WrappedNetwork, wrap
from oddscape.models.packages import load_package


def torchvision_network(
    name: str, num_classes: int, *, void: bool = False, aux_loss: bool = False
) -> WrappedNetwork:
    """Make a segmentation network of torchvision with random weights.

    Its output's ``features`` are what the last layer of its classifier reads; pictures are normalised as
    ImageNet's.

    Args:
        name: as in ``torchvision.models.segmentation``, such as ``"deeplabv3_resnet50"``.
        num_classes: number of known classes, K.
        void: whether the network has a further, last output for void.
        aux_loss: whether it has torchvision's auxiliary classifier, which released weights carry and the
            output leaves out.

    Raises:
        OddscapeError: torchvision is missing or does not load; an unknown name.
    """
    models = load_package("torchvision.models", "torchvision")
    known = models.list_models(module=models.segmentation)
    if name not in known:
        raise OddscapeError(f"torchvision has no segmentation network {name!r}; it has: {', '.join(known)}")
    net = models.get_model(
        name, weights=None, weights_backbone=None, num_classes=num_classes + void, aux_loss=aux_loss
    )
    return wrap(
        net,
        features=_read_by_classifier(net),
        normalise=IMAGENET,
        num_classes=num_classes,
        void=num_classes if void else None,
    )


def _read_by_classifier(net: nn.Module) -> str:
    """Name of the layer before the last one of the classifier."""
    classifier = net.classifier
    if isinstance(classifier, nn.Sequential):
        return f"classifier.{len(classifier) - 2}"
    # LR-ASPP reads two maps; this is the one with the context.
    return "classifier.cbr"
