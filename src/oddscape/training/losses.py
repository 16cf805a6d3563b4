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

from oddscape.errors import OddscapeError
from oddscape.labels import IGNORED
from oddscape.outputs import DenseOutput


@dataclass(frozen=True, eq=False)
class Batch:
    """N training pictures with what is known about their pixels.

    Args:
        image: float32 [N, 3, H, W], RGB in [0, 1]; uint8 until :meth:`to`, as a loader gives it.
        labels: int64 [N, H, W], train ids; 255 where void, padded, pasted or held out. Until then uint8.
        pasted: bool [N, H, W], where negative content covers the picture.
        left_out: bool [N, H, W], pixels of held-out classes, which no term sees.
        before: float32 [N, K, H, W], logits that the network gave these pictures before it was trained, for
            losses that compare with them; else None.
    """

    image: Tensor
    labels: Tensor
    pasted: Tensor
    left_out: Tensor
    before: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device as networks and losses take it, its pictures channels-last."""
        image = self.image.to(device, non_blocking=True)
        if image.dtype == torch.uint8:  # only there, for bytes take a quarter of the way's time
            image = image.float().div_(255)
        return Batch(
            image.contiguous(memory_format=torch.channels_last),
            self.labels.to(device, non_blocking=True).long(),
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
    nll, likelihood = densehybrid_likelihood(beta, margin)
    return nll, likelihood, densehybrid_posterior(beta, void_is_known)[1]


def densehybrid_likelihood(beta: float = 0.03, margin: float | None = None) -> Loss:
    """DenseHybrid without its dataset posterior, the ablation whose score is the energy alone.

        L = mean_known −ln softmax(f)_y  +  β · mean_pasted logsumexp(f)

    Args:
        beta: weight β of the likelihood of negatives.
        margin: see :func:`densehybrid`.
    """
    likelihood = Term("negative_likelihood", beta, _pasted, partial(_log_likelihood, margin=margin))
    return Term("nll", 1.0, _known, _nll), likelihood


def densehybrid_posterior(beta: float = 0.03, void_is_known: bool = True) -> Loss:
    """DenseHybrid without the likelihood of negatives, the ablation whose score is the dataset posterior.

        L = mean_known −ln softmax(f)_y  +  10 β · mean −ln softmax(o)_pasted

    Args:
        beta: a tenth of the dataset posterior's weight, as in :func:`densehybrid`.
        void_is_known: see :func:`densehybrid`.
    """
    in_posterior = _not_left_out if void_is_known else _known_or_pasted
    posterior = Term("dataset_posterior", 10 * beta, in_posterior, _dataset_nll)
    return Term("nll", 1.0, _known, _nll), posterior


def densehybrid_kept(
    beta: float = 0.03,
    margin: float | None = None,
    void_is_known: bool = True,
    keep: float = 4.0,
    level: float = 0.1,
) -> Loss:
    """DenseHybrid beside what the network said before training, for a network that is to keep its classes.

        L = κ · mean_known KL(softmax(f⁰) ‖ softmax(f))
            +  λ · mean_known max(0, logsumexp(f⁰) − logsumexp(f))²
            +  β · mean_pasted logsumexp(f)  +  10 β · mean −ln softmax(o)_pasted

    f⁰ are the logits of the network as it was, for the very pictures that it is trained on, pasted objects
    and all (Li, Hoiem: Learning without Forgetting, ECCV 2016). The first term is 0 when training begins,
    which labels from another size or from the whole picture are not. The second keeps the likelihood of known
    pixels from falling with that of the negatives. Score with ``"densehybrid"``.

    Args:
        beta: see :func:`densehybrid`.
        margin: see :func:`densehybrid`.
        void_is_known: see :func:`densehybrid`.
        keep: weight κ of the classes.
        level: weight λ of the likelihood of known pixels.
    """
    kept = Term("kept", keep, _known, _divergence_from_before)
    kept_level = Term("kept_level", level, _known, _fall_of_likelihood)
    return kept, kept_level, *densehybrid(beta, margin, void_is_known)[1:]


def entropy_maximisation(weight: float = 0.9) -> Loss:
    """Meta-OOD's loss (Chan, Rottmann, Gottschalk, ICCV 2021): the posterior of negatives is to be uniform.

        L = (1 − λ) · mean_known −ln softmax(f)_y  +  λ · mean_pasted −1/K Σ_k ln softmax(f)_k

    The second term is the cross-entropy against the uniform distribution; it is least, ln K, where the
    entropy is greatest. Score with ``"entropy"``.

    Args:
        weight: λ, in [0, 1]; 0.9 as published.

    Raises:
        OddscapeError: a weight outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise OddscapeError(f"weight of entropy-maximisation must be from 0 to 1, not {weight}")
    nll = Term("nll", 1 - weight, _known, _nll)
    return nll, Term("negative_cross_entropy", weight, _pasted, _uniform_cross_entropy)


def energy_margin(weight: float = 0.1, known_energy: float = -23.0, negative_energy: float = -5.0) -> Loss:
    """Energy fine-tuning (Liu, Wang, Owens, Li, NeurIPS 2020): squared hinges part knowns from negatives.

        L = mean_known −ln softmax(f)_y
            + λ · (mean_known max(0, E − m_in)²  +  mean_pasted max(0, m_out − E)²),   E = −logsumexp(f)

    Score with ``"energy"``. The defaults are those published for CIFAR-10; logits of another network may lie
    elsewhere.

    Args:
        weight: λ of both hinges.
        known_energy: m_in, the energy that known pixels are pressed down to.
        negative_energy: m_out, the energy that negatives are raised to; above ``known_energy``.

    Raises:
        OddscapeError: the margins are the wrong way round.
    """
    if not known_energy < negative_energy:
        raise OddscapeError(
            f"known_energy {known_energy} must lie below negative_energy {negative_energy}: "
            "the energy of negatives is to be the higher one"
        )
    return (
        Term("nll", 1.0, _known, _nll),
        Term("known_energy", weight, _known, partial(_energy_above, margin=known_energy)),
        Term("negative_energy", weight, _pasted, partial(_energy_below, margin=negative_energy)),
    )


def outlier_exposure(weight: float = 1.0) -> Loss:
    """Outlier exposure (Hendrycks, Mazeika, Dietterich, ICLR 2019) to a void class (Blum et al., IJCV 2021).

        L = mean_known −ln softmax(f, v)_y  +  λ · mean_pasted −ln softmax(f, v)_v

    where v is the logit of the K+1-th class, the network's ``void_logits``. Score with ``"void"``.

    Args:
        weight: λ of the negatives, which a plain mean over all pixels would make a matter of their area.
    """
    nll = Term("nll", 1.0, _known, _nll_beside_void)
    return nll, Term("void_nll", weight, _pasted, _void_nll)


def dicnet(stride: int = 4) -> Loss:
    """DiCNet's distillation (Zhou et al., 2021): mean over channels and places of (S − T)².

    A place of the features that holds a held-out pixel is left out as a whole.

    Args:
        stride: picture pixels to a feature place along a side: features are [N, C, ⌈H/stride⌉, ⌈W/stride⌉].
    """
    return (Term("distillation", 1.0, partial(_places_not_left_out, stride=stride), _discrepancy),)


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
    full = {name: getattr(out, name) for name in ("logits", "outlier_logits", "void_logits")}
    native = replace(out.native, **full)
    return replace(out, native=native)


def _nll(out: DenseOutput, batch: Batch) -> Tensor:
    # ln softmax by hand, for the log-evidence is shared with the likelihood of negatives.
    return out.log_evidence - _label_logit(out, batch)


def _label_logit(out: DenseOutput, batch: Batch) -> Tensor:
    labels = batch.labels.clamp(max=out.native.logits.shape[1] - 1)
    return out.logits.gather(1, labels.unsqueeze(1)).squeeze(1)


def _auxiliary_nll(out: DenseOutput, batch: Batch) -> Tensor:
    logits = out.native.auxiliary_logits
    assert logits is not None, "the loss needs the branch of deep supervision"
    return F.cross_entropy(out.full_size(logits), batch.labels, ignore_index=IGNORED, reduction="none")


def _log_likelihood(out: DenseOutput, batch: Batch, margin: float | None) -> Tensor:  # noqa: ARG001
    return out.log_evidence if margin is None else out.log_evidence.clamp(min=-margin)


def _divergence_from_before(out: DenseOutput, batch: Batch) -> Tensor:
    log_before = _before(batch).log_softmax(1)
    log_now = out.logits - out.log_evidence.unsqueeze(1)
    return (log_before.exp() * (log_before - log_now)).sum(1)


def _fall_of_likelihood(out: DenseOutput, batch: Batch) -> Tensor:
    return F.relu(_before(batch).logsumexp(1) - out.log_evidence).square()


def _before(batch: Batch) -> Tensor:
    assert batch.before is not None, "the loss needs what the network said before training"
    return batch.before


def _uniform_cross_entropy(out: DenseOutput, batch: Batch) -> Tensor:  # noqa: ARG001
    return out.log_evidence - out.logits.mean(1)


def _energy_above(out: DenseOutput, batch: Batch, margin: float) -> Tensor:  # noqa: ARG001
    return F.relu(-out.log_evidence - margin).square()


def _energy_below(out: DenseOutput, batch: Batch, margin: float) -> Tensor:  # noqa: ARG001
    return F.relu(margin + out.log_evidence).square()


def _nll_beside_void(out: DenseOutput, batch: Batch) -> Tensor:
    return torch.logaddexp(out.log_evidence, _void_logit(out)) - _label_logit(out, batch)


def _void_nll(out: DenseOutput, batch: Batch) -> Tensor:  # noqa: ARG001
    return F.softplus(out.log_evidence - _void_logit(out))


def _void_logit(out: DenseOutput) -> Tensor:
    logits = out.void_logits
    assert logits is not None, "the loss needs a void class"
    return logits[:, 0]


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
