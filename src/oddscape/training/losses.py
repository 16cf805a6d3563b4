"""Losses as sums over pixels: additive over pictures, parts of a batch and processes.

A loss is a tuple of terms. A term is the mean of some values over the pixels of a mask,

    L = Σ_terms weight · Σ(values · mask) / Σ mask.

The mask follows from the batch alone, so its count is known before the network runs and may first be summed
over whatever a step consists of. The weighted sums divided by that count then add up to what one big batch
would give. Pixels of held-out classes are in no mask at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from oddscape.labels import IGNORED
from oddscape.outputs import DenseOutput


@dataclass(frozen=True, eq=False)
class Batch:
    """N training pictures with what is known about their pixels.

    Args:
        image: float32 [N, 3, H, W], RGB in [0, 1].
        labels: int64 [N, H, W], train ids; 255 where void, padded, pasted or held out.
        pasted: bool [N, H, W], where negative content covers the picture.
        left_out: bool [N, H, W], pixels of held-out classes, which no term sees.
    """

    image: Tensor
    labels: Tensor
    pasted: Tensor
    left_out: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device, its pictures channels-last, as convolutions like it."""
        return Batch(
            self.image.to(device, non_blocking=True, memory_format=torch.channels_last),
            self.labels.to(device, non_blocking=True),
            self.pasted.to(device, non_blocking=True),
            self.left_out.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class Term:
    """The weighted mean of some values over the pixels of a mask.

    Args:
        name: what logs call it.
        weight: its factor in the loss.
        mask: ``Batch`` → bool [N, H, W], the pixels that count.
        values: output and batch → float32 [N, H, W]; what it says outside the mask is of no account.
    """

    name: str
    weight: float
    mask: Callable[[Batch], Tensor]
    values: Callable[[DenseOutput, Batch], Tensor]

    def count(self, batch: Batch) -> Tensor:
        """Number of pixels that count, int64 []."""
        return self.mask(batch).sum()

    def sum(self, out: DenseOutput, batch: Batch) -> Tensor:
        """Sum of the values over the mask, without the weight, float32 []; 0 where the mask is empty."""
        values = self.values(out, batch)
        return torch.where(self.mask(batch), values, values.new_zeros(())).sum()


Loss = tuple[Term, ...]


def counts_of(terms: Loss, batch: Batch) -> Tensor:
    """Each term's count for a batch, int64 [T]."""
    return torch.stack([term.count(batch) for term in terms])


def sums_of(terms: Loss, out: DenseOutput, batch: Batch) -> Tensor:
    """Each term's sum for a batch, float32 [T]."""
    full = _at_full_size(out)
    return torch.stack([term.sum(full, batch) for term in terms])


def loss_value(terms: Loss, sums: Tensor, counts: Tensor) -> Tensor:
    """The loss from each term's sum and count; a term that counts no pixel is 0.

    Args:
        terms: the T terms.
        sums: float32 [T], of a part of the step or of all of it.
        counts: [T], of the whole step.

    Returns:
        float32 []; over the parts of a step these values add up to the step's loss.
    """
    weights = sums.new_tensor([term.weight for term in terms])
    return (weights * sums / counts.clamp(min=1)).sum()


def closed_set(deep_supervision: bool = False) -> Loss:
    """Cross-entropy over the pixels of known classes.

    Args:
        deep_supervision: add 0.4 times that of ``auxiliary_logits``, as PSPNet does (Zhao et al., CVPR 2017).
    """
    nll = Term("nll", 1.0, _known, _nll)
    return (nll, Term("auxiliary_nll", 0.4, _known, _auxiliary_nll)) if deep_supervision else (nll,)


def densehybrid(beta: float = 0.03, margin: float | None = None, void_is_known: bool = True) -> Loss:
    """DenseHybrid's loss (Grcić, Bevandić, Šegvić, ECCV 2022) for pictures with pasted negatives.

        L = mean_known −ln softmax(f)_y  +  β · mean_pasted logsumexp(f)  +  10 β · mean −ln softmax(o)_pasted

    Args:
        beta: weight β of the likelihood of negatives, a tenth of the dataset posterior's weight.
        margin: the log-likelihood of negatives is pressed down to −margin and no further; None: without
            bound, as published.
        void_is_known: whether void and padded pixels count as inliers in the dataset posterior, as in the
            published loss; else they are not in it.
    """
    in_posterior = _not_left_out if void_is_known else _known_or_pasted
    return (
        Term("nll", 1.0, _known, _nll),
        Term("negative_likelihood", beta, _pasted, partial(_log_likelihood, margin=margin)),
        Term("dataset_posterior", 10 * beta, in_posterior, _dataset_nll),
    )


def dicnet(stride: int = 4) -> Loss:
    """DiCNet's distillation (Zhou et al., 2021): mean over channels and places of (S − T)².

    A place of the features that holds a held-out pixel is left out as a whole.

    Args:
        stride: picture pixels to a feature place along a side: features are [N, C, ⌈H/stride⌉, ⌈W/stride⌉].
    """
    return (Term("distillation", 1.0, partial(_places_not_left_out, stride=stride), _discrepancy),)


LOSSES: dict[str, Callable[..., Loss]] = {
    "closed-set": closed_set,
    "densehybrid": densehybrid,
    "dicnet": dicnet,
}
"""Every loss by name: functions of its options that give its terms."""


def _known(batch: Batch) -> Tensor:
    return (batch.labels != IGNORED) & ~batch.left_out


def _pasted(batch: Batch) -> Tensor:
    return batch.pasted & ~batch.left_out


def _not_left_out(batch: Batch) -> Tensor:
    return ~batch.left_out


def _known_or_pasted(batch: Batch) -> Tensor:
    return ((batch.labels != IGNORED) | batch.pasted) & ~batch.left_out


def _places_not_left_out(batch: Batch, stride: int) -> Tensor:
    left_out = batch.left_out.unsqueeze(1).float()
    places = F.max_pool2d(left_out, stride, ceil_mode=True)
    return _spread(places, batch)[:, 0] == 0


def _at_full_size(out: DenseOutput) -> DenseOutput:
    # Upsampled once for all terms: on a CPU that is a third of what a loss costs.
    native = replace(out.native, logits=out.logits, outlier_logits=out.outlier_logits)
    return replace(out, native=native)


def _nll(out: DenseOutput, batch: Batch) -> Tensor:
    # ln softmax by hand, for the log-evidence is shared with the likelihood of negatives.
    labels = batch.labels.clamp(max=out.native.logits.shape[1] - 1)
    return out.log_evidence - out.logits.gather(1, labels.unsqueeze(1)).squeeze(1)


def _auxiliary_nll(out: DenseOutput, batch: Batch) -> Tensor:
    logits = out.native.auxiliary_logits
    assert logits is not None, "the loss needs the branch of deep supervision"
    return F.cross_entropy(out.full_size(logits), batch.labels, ignore_index=IGNORED, reduction="none")


def _log_likelihood(out: DenseOutput, batch: Batch, margin: float | None) -> Tensor:  # noqa: ARG001
    return out.log_evidence if margin is None else out.log_evidence.clamp(min=-margin)


def _dataset_nll(out: DenseOutput, batch: Batch) -> Tensor:
    logits = out.outlier_logits
    assert logits is not None, "the loss needs an outlier head"
    outlier_margin = logits[:, 1] - logits[:, 0]
    return F.softplus(torch.where(batch.pasted, -outlier_margin, outlier_margin))


def _discrepancy(out: DenseOutput, batch: Batch) -> Tensor:
    teacher, student = out.native.features, out.native.student_features
    assert teacher is not None, "the loss needs a teacher"
    assert student is not None, "the loss needs a student"
    squared = (student.float() - teacher.detach().float()).square().mean(1, keepdim=True)
    return _spread(squared, batch)[:, 0]


def _spread(places: Tensor, batch: Batch) -> Tensor:
    """Give each pixel the value of its place, so that a mean over pixels is one over places."""
    return F.interpolate(places, batch.labels.shape[-2:], mode="nearest")
