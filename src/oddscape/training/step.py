"""One step of training: some batches, their gradients, one update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput
from oddscape.training.losses import Batch, Loss, counts_of, loss_value, sums_of

_PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class NotFiniteError(OddscapeError):
    """A step's loss or gradient is infinite or no number; ``terms`` tells the mean of each of its terms."""

    def __init__(self, what: str, terms: Mapping[str, float]) -> None:
        shown = ", ".join(f"{name} {mean:.4g}" for name, mean in terms.items())
        super().__init__(f"{what} ({shown})")
        self.terms = terms


@dataclass(frozen=True)
class StepLoss:
    """A step's loss over all its parts and processes.

    Args:
        value: the weighted sum of the terms.
        terms: mean of each term before weighting, by name; 0 where no pixel counted.
    """

    value: float
    terms: dict[str, float]


class Stepper:
    """Updates a network so that parts and processes together do what one big batch would.

    Args:
        accelerator: the processes and their device.
        net: the network, on that device.
        terms: the loss.
        optimizer: of the network; each group has a ``base_lr``.
        mixed_precision: ``"no"``, ``"bf16"`` or ``"fp16"``.
        before: the network as it was before training, for a loss that compares with it.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        net: nn.Module,
        terms: Loss,
        optimizer: Optimizer,
        mixed_precision: str,
        before: nn.Module | None = None,
    ) -> None:
        self.accelerator, self.net, self.terms, self.optimizer = accelerator, net, terms, optimizer
        self.before = before
        self.parallel: Callable[[Tensor], DenseOutput] = accelerator.prepare_model(net)
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=mixed_precision == "fp16")
        self.dtype, self.mixed = _PRECISIONS[mixed_precision], mixed_precision != "no"

    def step(self, parts: Sequence[Batch], factor: float) -> StepLoss:
        """Update the network once; learning rates are multiplied by ``factor``.

        Raises:
            NotFiniteError: the loss or its gradient is not finite; the network is then left as it was.
        """
        loss = self.accumulate(parts)
        self._require_finite_gradient(loss)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def accumulate(self, parts: Sequence[Batch]) -> StepLoss:
        """Add a step's gradients up.

        Raises:
            NotFiniteError: the loss is not finite.
        """
        processes = self.accelerator.num_processes
        # How many pixels count is known before the first forward pass, so each part can be divided by the
        # number of all parts and processes. Parallel training averages over processes: hence the factor.
        counts = self.accelerator.reduce(torch.stack([counts_of(self.terms, part) for part in parts]).sum(0))
        sums = torch.zeros(len(self.terms), device=self.accelerator.device)
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else self.accelerator.no_sync(self.parallel):
                part_sums = self._sums(part)
                self.scaler.scale(loss_value(self.terms, part_sums, counts) * processes).backward()
            sums += part_sums.detach()
        return self._step_loss(self.accelerator.reduce(sums), counts)

    def _require_finite_gradient(self, loss: StepLoss) -> None:
        # Weights that took such a gradient would be in the next checkpoint. A scaler leaves such a step out.
        gradients = [weight.grad for weight in self.net.parameters() if weight.grad is not None]
        if not self.scaler.is_enabled() and not nn.utils.get_total_norm(gradients).isfinite():
            raise NotFiniteError(f"the gradient is not finite, the loss {loss.value:.4g}", loss.terms)

    def _sums(self, part: Batch) -> Tensor:
        with torch.autocast(self.accelerator.device.type, self.dtype, self.mixed):
            out = self.parallel(part.image)
            if self.before is not None:
                with torch.no_grad():
                    part = replace(part, before=self.before(part.image).logits)
        return sums_of(self.terms, out, part)

    def _step_loss(self, sums: Tensor, counts: Tensor) -> StepLoss:
        value = float(loss_value(self.terms, sums, counts))
        means = (sums / counts.clamp(min=1)).tolist()
        terms = {term.name: mean for term, mean in zip(self.terms, means, strict=True)}
        if not torch.isfinite(sums).all():
            raise NotFiniteError(f"the loss is {value}", terms)
        return StepLoss(value, terms)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "network": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.net.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        _lay_out_like_parameters(self.optimizer)
        self.scaler.load_state_dict(state["scaler"])


def _lay_out_like_parameters(optimizer: Optimizer) -> None:
    # A file holds tensors row by row, channels-last weights lie otherwise, and a fused Adam goes through both
    # in memory order.
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter).copy_(value)
