"""DenseHybrid's outlier head (Grcić, Bevandić, Šegvić, ECCV 2022) for a network that somebody already has."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import replace

from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.layers import LayerRecorder, outermost
from oddscape.models.probing import probe
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
        self.recorder = None if layer is None else LayerRecorder(net, layer)
        if self.recorder is not None:
            weakref.finalize(self, self.recorder.remove)

    @property
    def num_classes(self) -> int | None:
        """Number of known classes, K, where the network says it."""
        return getattr(self.net, "num_classes", None)

    def forward(self, image: Tensor) -> DenseOutput:
        """The network's output for pictures [N, 3, H, W] with ``outlier_logits`` added."""
        out, maps = _run(self.net, self.recorder, image)
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
    fields = probe(net).fields
    if "outlier_logits" in fields:
        raise OddscapeError(
            f"{type(net).__name__} has an outlier head already: its output holds outlier_logits"
        )
    layer = None if on == _FEATURES and _FEATURES in fields else on
    layers = dict(net.named_modules(remove_duplicate=False))
    if layer == _FEATURES and _FEATURES not in layers:
        raise OddscapeError(
            f"{type(net).__name__} gives no features; name the layer whose maps the head reads, as in "
            f"with_outlier_head(net, on=LAYER) or wrap(net, features=LAYER); it has, among others: "
            f"{', '.join(outermost([name for name in layers if name]))}"
        )
    channels = _channels(net, layer)
    head = nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels, momentum=0.01),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(channels, 2, 1),
        )
    )
    like = next(net.parameters())
    headed = NetworkWithOutlierHead(net, head.to(like.device, like.dtype).train(net.training), layer)
    headed.training = net.training  # of it alone: modules of the network may be in other modes
    return headed


def _run(net: nn.Module, recorder: LayerRecorder | None, image: Tensor) -> tuple[DenseOutput, Tensor]:
    """Run a network; its output, and the maps that a head reads."""
    if recorder is not None:
        return recorder.run(net, image)
    out: DenseOutput = net(image)
    assert out.native.features is not None, "with_outlier_head has seen them"
    return out, out.native.features


def _channels(net: nn.Module, layer: str | None) -> int:
    """Channels of the maps that a head reads."""
    if layer is None:
        features = probe(net).native.features
        assert features is not None, "with_outlier_head has seen them"
        return features.shape[1]
    recorder = LayerRecorder(net, layer)
    try:
        return recorder.run(probe, net)[1].shape[1]
    finally:
        recorder.remove()
