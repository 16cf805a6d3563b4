"""DenseHybrid's outlier head (Grcić, Bevandić, Šegvić, ECCV 2022) for a network that somebody already has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models import probe
from oddscape.models.layers import recorded, recorded_maps
from oddscape.outputs import DenseOutput

_FEATURES = "features"


class NetworkWithOutlierHead(nn.Module):
    """A network and an outlier head that reads one of its maps; made by :func:`with_outlier_head`.

    Its weights are those of the network, beginning with ``net.``, and the head's, with ``outlier_head.``.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``.
        head: maps [N, C, h, w] → logits [N, 2, h, w]; channel 1 = outlier.
        layer: dotted name of the layer whose maps the head reads; None: the ``features`` of the network's
            output.
    """

    def __init__(self, net: nn.Module, head: nn.Module, layer: str | None = None) -> None:
        super().__init__()
        self.net, self.outlier_head, self.layer = net, head, layer

    def forward(self, image: Tensor) -> DenseOutput:
        """The network's output for pictures [N, 3, H, W] with ``outlier_logits`` added."""
        out, maps = _run(self.net, self.layer, lambda: self.net(image))
        return replace(out, native=replace(out.native, outlier_logits=self.outlier_head(maps)))


def with_outlier_head(net: nn.Module, on: str = _FEATURES) -> NetworkWithOutlierHead:
    """Give a network DenseHybrid's second head, which estimates the dataset posterior.

    The head is a batch norm, a ReLU and a 1×1 convolution with bias to two logits. Nothing in the network
    changes: its weights are shared, not copied, and gradients flow through the head into it. Train with the
    loss ``"densehybrid"``, then score with ``"densehybrid"``.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput`` without ``outlier_logits``.
        on: ``"features"``, those of the network's output; or, by its dotted name, the layer whose maps
            [N, C, h, w] the head reads; what a following layer does to them in place, such as a ReLU, is done
            before. A network whose output has no features may have a layer of that name.

    Raises:
        OddscapeError: a network that gives no ``DenseOutput`` or has an outlier head, no layer of that name,
            or one that gives no such maps.
    """
    fields = _fields(net)
    if "outlier_logits" in fields:
        raise OddscapeError(
            f"{type(net).__name__} has an outlier head already: its output holds outlier_logits"
        )
    layer = None if on == _FEATURES and _FEATURES in fields else on
    _, maps = _run(net, layer, lambda: probe(net))
    head = nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(maps.shape[1], momentum=0.01),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(maps.shape[1], 2, 1),
        )
    )
    like = next(net.parameters())
    return NetworkWithOutlierHead(net, head.to(like.device, like.dtype), layer).train(net.training)


def _run(net: nn.Module, layer: str | None, run: Callable[[], DenseOutput]) -> tuple[DenseOutput, Tensor]:
    """Run a network; its output, and the maps that a head reads."""
    if layer is None:
        out = run()
        assert out.native.features is not None, "with_outlier_head has seen them"
        return out, out.native.features
    with recorded(net, layer) as given:
        out = run()
    return out, recorded_maps(given, net, layer)


def _fields(net: nn.Module) -> frozenset[str]:
    out: object = probe(net)
    if not isinstance(out, DenseOutput):
        raise OddscapeError(
            f"{type(net).__name__} gives {type(out).__name__}; expected a DenseOutput (odd.wrap)"
        )
    return out.fields
