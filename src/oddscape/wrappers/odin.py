"""ODIN (Liang, Li, Srikant, ICLR 2018): pictures moved towards the network's own answer; a temperature."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.models.probing import probe
from oddscape.outputs import DenseOutput

# Those that share a softmax with the known classes.
_CLASS_LOGITS = ("logits", "void_logits", "member_logits")


class ODIN(nn.Module):
    """A network shown a slightly changed picture, its logits divided by a temperature; made by :func:`odin`.

    Its weights are those of the network, beginning with ``net.``.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``.
        epsilon: how far each value of the picture moves.
        temperature: what the logits are divided by.
    """

    def __init__(self, net: nn.Module, epsilon: float, temperature: float) -> None:
        super().__init__()
        if not epsilon >= 0 or not temperature > 0:
            raise OddscapeError(
                f"ODIN with epsilon {epsilon:g} and temperature {temperature:g}: "
                f"expected epsilon ≥ 0 and temperature > 0"
            )
        self.num_classes = probe(net).num_classes
        self.net, self.epsilon, self.temperature = net, epsilon, temperature
        self.training = net.training

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run."""
        return f"ODIN, epsilon {self.epsilon:g}, temperature {self.temperature:g}"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1]; a forward, a backward and a forward pass."""
        out: DenseOutput = self.net(self._moved(image) if self.epsilon else image)
        maps = {name: getattr(out.native, name) for name in _CLASS_LOGITS}
        cooled = {name: t.float() / self.temperature for name, t in maps.items() if t is not None}
        return replace(out, native=replace(out.native, **cooled))

    def _moved(self, image: Tensor) -> Tensor:
        # Callers often forbid gradients; a copy made here may have them all the same.
        with torch.inference_mode(False), torch.enable_grad():
            seen = image.clone().detach().requires_grad_()
            confidence = _confidence(self.net(seen).native.logits, self.temperature)
            if not confidence.requires_grad:
                raise OddscapeError(
                    f"ODIN needs gradients of the logits, and {type(self.net).__name__} gives none "
                    f"(of a DiCNet, take the teacher)"
                )
            # Of the picture alone: the parameters' own gradients stay as they are.
            (gradient,) = torch.autograd.grad(confidence, seen)
        return image + self.epsilon * gradient.sign()


def _confidence(logits: Tensor, temperature: float) -> Tensor:
    """Log of the largest posterior at a temperature, summed over pixels."""
    cooled = logits.float() / temperature
    # The sign of the gradient is all that counts: times the temperature, it does not underflow.
    return temperature * (cooled.amax(1) - cooled.logsumexp(1)).sum()


def odin(net: nn.Module, epsilon: float = 0.0014, temperature: float = 1000.0) -> ODIN:
    """Show a network pictures moved towards its own answer, and divide its logits by a temperature.

    With f the logits, T the temperature and ŷ each pixel's largest class, the picture x becomes

        x̃ = x − ε sign(−∇ₓ Σ ln softmax(f(x) / T)_ŷ)

    and the output is that for x̃ with ``logits``, ``void_logits`` and ``member_logits`` divided by T. The
    published score is ``msp`` of this output. The sum is over every cell of the logits at the network's own
    resolution: one backward pass moves the whole picture, each value by what all cells that see it want on
    balance.

    ε is in units of the picture, [0, 1], and the same for R, G and B: what a network's own normalisation
    divides by does not change the gradient's sign. As published, nothing is clamped: values may leave [0, 1]
    by ε. The gradient is taken under ``torch.no_grad`` and ``torch.inference_mode``, too, and parameters'
    ``grad`` stays as it is. Memory is that of a training step. The method was made for pictures of one class
    each and works where the step helps known content more than anomalies. In dense prediction it often does
    not: the score may rank worse than plain ``msp``. The paper picks ε on a data set of other anomalies.

    Liang, Li, Srikant: Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks,
    ICLR 2018.

    Args:
        net: maps pictures [N, 3, H, W] in [0, 1] to a ``DenseOutput``. It is shared, not copied.
        epsilon: ε; 0: the temperature alone, in a single pass. The paper's lie between 0 and 0.004.
        temperature: T. With the paper's 1000, ``msp`` lies close below 1 − 1/K and ranks pixels nearly as
            the mean logit less the largest does.

    Raises:
        OddscapeError: ε below 0, a temperature that is not above 0, no ``DenseOutput``; when it runs, a
            network that lets no gradient through.
    """
    return ODIN(net, epsilon, temperature)
