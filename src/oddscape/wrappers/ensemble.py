"""Deep ensembles (Lakshminarayanan, Pritzel, Blundell, NeurIPS 2017): several networks as one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.probing import probe
from oddscape.outputs import DenseOutput
from oddscape.wrappers import unwrapped
from oddscape.wrappers.members import joined


class Ensemble(nn.Module):
    """Several networks whose predictive distribution is the mean of theirs; made by :func:`ensemble`.

    Its weights are those of the networks, beginning with ``nets.0.``, ``nets.1.`` ….

    Args:
        nets: map pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``, all of the same number of classes.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        if not nets:
            raise OddscapeError("an ensemble of no network: expected one or more")
        classes = [probe(net).num_classes for net in nets]
        if len(set(classes)) > 1:
            raise OddscapeError(
                f"the networks of an ensemble know {', '.join(map(str, classes))} classes; "
                f"expected the same number of each"
            )
        self.num_classes = classes[0]
        self.nets = nn.ModuleList(nets)
        self.training = all(net.training for net in nets)

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run; where members are wrapped, what their wrappers do."""
        ways = dict.fromkeys("; ".join(unwrapped(net)[1]) or "a single pass" for net in self.nets)
        members = "" if list(ways) == ["a single pass"] else f" ({' | '.join(ways)})"
        return f"ensemble of {len(self.nets)} networks{members}"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1], one network after the other."""
        return joined(net(image) for net in self.nets)


def ensemble(nets: Sequence[nn.Module]) -> Ensemble:
    """Make several networks one, whose posterior at each place is the mean of theirs.

    The output has ``member_logits`` [M, N, K, h, w] for the scores ``predictive_entropy`` and
    ``mutual_information``. Its ``logits`` are those of the mean posterior, with the mean of the networks' log
    evidence as their ``logsumexp``: ``msp`` and ``entropy`` are those of the predictive distribution,
    ``energy`` is the networks' mean energy, and an ensemble of one is the network. ``outlier_logits`` and
    ``void_logits`` stand for the mean posterior, too, where every network has them. Features are left out:
    channels of two networks do not correspond. An ensemble may hold ensembles or networks of
    :func:`~oddscape.wrappers.mc_dropout.mc_dropout`; all their members then count alike.

    Networks whose maps differ in resolution are each brought to picture size first.

    Lakshminarayanan, Pritzel, Blundell: Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles, NeurIPS 2017. It works where the networks were trained from different weights; copies that
    differ little agree on anomalies, too.

    Args:
        nets: map pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``; the classes of all are the same, in
            the same order. They are shared, not copied.

    Raises:
        OddscapeError: no network, one that gives no ``DenseOutput``, or different numbers of classes.
    """
    return Ensemble(nets)
