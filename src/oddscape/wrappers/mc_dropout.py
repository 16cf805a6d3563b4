"""Monte Carlo dropout (Gal, Ghahramani, ICML 2016): several passes of one network with units dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.probing import probe
from oddscape.outputs import DenseOutput
from oddscape.wrappers.members import joined

_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


class MCDropout(nn.Module):
    """A network run several times with its dropout at work; made by :func:`mc_dropout`.

    Its weights are those of the network, beginning with ``net.``.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``.
        passes: how often it is run.
        seed: of what is dropped; None: torch's global state.
    """

    def __init__(self, net: nn.Module, passes: int, seed: int | None) -> None:
        super().__init__()
        if passes < 1:
            raise OddscapeError(f"{passes} passes of MC dropout: expected 1 or more")
        if not _active_dropouts(net):
            raise OddscapeError(
                f"{type(net).__name__} has no dropout module with p > 0, which MC dropout needs "
                f"(torch.nn.functional.dropout inside a forward cannot be seen)"
            )
        self.num_classes = probe(net).num_classes
        self.net, self.passes, self.seed = net, passes, seed
        self.training = net.training

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"MC dropout, {self.passes} passes{seed}"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1], one pass after the other."""
        with _dropping(self.net), _random_state(self.seed, image.device):
            return joined(self.net(image) for _ in range(self.passes))


def mc_dropout(net: nn.Module, passes: int = 8, seed: int | None = None) -> MCDropout:
    """Make a network an ensemble of itself, each member with other units dropped.

    Dropout modules alone behave as in training, and only while the wrapped network runs; batch norms stay as
    they are. The output is that of :func:`~oddscape.wrappers.ensemble.ensemble` with the passes as networks:
    ``member_logits`` [M, N, K, h, w], ``logits`` and those of outlier head and void of the mean posterior, no
    features.

    With a ``seed``, each call draws the same: what is said about a picture then does not depend on the
    pictures before it, though it does on its place in a batch and on the device. torch's global random state
    is left as it was. Windows, scales and flips belong inside, as in
    ``odd.mc_dropout(odd.SlidingWindows(net, …))``: outside, each window would drop other units of a member.

    Gal, Ghahramani: Dropout as a Bayesian Approximation, ICML 2016; for segmentation Mukhoti, Gal:
    Evaluating Bayesian Deep Learning Methods for Semantic Segmentation, arXiv 1811.12709, 2018. It costs a
    pass for each member. It works only on networks trained with dropout, and even there members often agree
    on large anomalies far from the training data.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput`` and has dropout modules with p > 0.
            It is shared, not copied. Dropout called as a function inside a forward stays off.
        passes: number of members, M.
        seed: makes runs repeatable; None: drawn from torch's global random state.

    Raises:
        OddscapeError: fewer than one pass, no such dropout module, or no ``DenseOutput``.
    """
    return MCDropout(net, passes, seed)


def _active_dropouts(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, _DROPOUTS) and module.p > 0]


@contextmanager
def _dropping(net: nn.Module) -> Iterator[None]:
    """Switch dropout on, and back to what it was."""
    were_training = [(dropout, dropout.training) for dropout in _active_dropouts(net)]
    try:
        for dropout, _ in were_training:
            dropout.train()
        yield
    finally:
        for dropout, was_training in were_training:
            dropout.train(was_training)


@contextmanager
def _random_state(seed: int | None, device: torch.device) -> Iterator[None]:
    """Draw from a seed on a device, and leave the random state as it was. No seed: draw as usual."""
    if seed is None:
        yield
    elif device.type == "cpu":
        # torch.manual_seed would seed every other device, too.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    else:
        with torch.random.fork_rng([device], device_type=device.type):
            with torch.accelerator.device_index(device.index):
                torch.get_device_module(device).manual_seed(seed)
            yield
