"""What a network can be trained for: every loss by name, with what it takes; reading it needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from oddscape.errors import OddscapeError

if TYPE_CHECKING:
    from oddscape.training.losses import Loss

_FUNCTIONS = "oddscape.training.losses"


@dataclass(frozen=True)
class Method:
    """A loss and what training with it takes; called with the loss's options, it gives its terms.

    Args:
        name: its name in ``odd.LOSSES`` and on the command line.
        title: what it trains, in a few words.
        formula: the loss, for people; f are the logits of the K known classes, o those of the outlier head.
        paper: where it comes from: authors, title, venue and year.
        model: name in ``odd.MODELS`` of the network that it trains where none is named.
        needs: names of the maps of :class:`~oddscape.outputs.NativeMaps` that it reads beside the logits.
        takes_negatives: whether it is for pictures with negatives pasted into them.
        distils: whether the weights that training starts from are those of a frozen teacher, which it cannot
            do without.
    """

    name: str
    title: str
    formula: str
    paper: str
    model: str
    needs: tuple[str, ...] = ()
    takes_negatives: bool = False
    distils: bool = False

    @property
    def function(self) -> Callable[..., Loss]:
        """The function of ``oddscape.training.losses`` that gives its terms, of the same name."""
        function: Callable[..., Loss] = getattr(import_module(_FUNCTIONS), self.name.replace("-", "_"))
        return function

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the function's keywords."""
        return tuple(signature(self.function).parameters)

    def __call__(self, **options: Any) -> Loss:
        """The terms of the loss.

        Raises:
            OddscapeError: an option that it does not have.
        """
        if unknown := [name for name in options if name not in self.options]:
            has = ", ".join(self.options) or "none"
            raise OddscapeError(f"loss {self.name!r} has no option {', '.join(unknown)}; it has {has}")
        return self.function(**options)


_DENSEHYBRID = (
    "Grcić, Bevandić, Šegvić: DenseHybrid: Hybrid Anomaly Detection for Dense Open-set Recognition, ECCV 2022"
)

LOSSES: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "closed-set",
            "closed-set segmentation",
            "mean_known −ln softmax(f)_y",
            "Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
            model="small_ladder",
        ),
        Method(
            "densehybrid",
            "closed-set classes and an outlier head, on mixed content",
            "mean_known −ln softmax(f)_y + β mean_pasted logsumexp(f) + 10 β mean −ln softmax(o)_pasted",
            _DENSEHYBRID,
            model="densehybrid_small_ladder",
            needs=("outlier_logits",),
            takes_negatives=True,
        ),
        Method(
            "densehybrid-likelihood",
            "DenseHybrid's ablation without dataset posterior",
            "mean_known −ln softmax(f)_y + β mean_pasted logsumexp(f)",
            _DENSEHYBRID,
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "densehybrid-posterior",
            "DenseHybrid's ablation without likelihood of negatives",
            "mean_known −ln softmax(f)_y + 10 β mean −ln softmax(o)_pasted",
            _DENSEHYBRID,
            model="densehybrid_small_ladder",
            needs=("outlier_logits",),
            takes_negatives=True,
        ),
        Method(
            "dicnet",
            "a student that reproduces a trained network's features",
            "mean (S − T)²",
            "Zhou et al.: Anomaly Discovery in Semantic Segmentation via Distillation Comparison Networks, "
            "arXiv 2112.09908",
            model="dicnet_small_ladder",
            needs=("features", "student_features"),
            distils=True,
        ),
        Method(
            "entropy-maximisation",
            "closed-set classes, and no preference among them on negatives",
            "(1 − λ) mean_known −ln softmax(f)_y + λ mean_pasted −1/K Σ_k ln softmax(f)_k",
            "Chan, Rottmann, Gottschalk: Entropy Maximization and Meta Classification for "
            "Out-of-Distribution Detection in Semantic Segmentation, ICCV 2021",
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "energy-margin",
            "closed-set classes, low energy of known pixels and high energy of negatives",
            "mean_known −ln softmax(f)_y + λ (mean_known max(0, E − m_in)² + "
            "mean_pasted max(0, m_out − E)²), E = −logsumexp(f)",
            "Liu, Wang, Owens, Li: Energy-based Out-of-distribution Detection, NeurIPS 2020",
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "outlier-exposure",
            "closed-set classes, and a void class for negatives",
            "mean_known −ln softmax(f, v)_y + λ mean_pasted −ln softmax(f, v)_v, v the void class's logit",
            "Hendrycks, Mazeika, Dietterich: Deep Anomaly Detection with Outlier Exposure, ICLR 2019; "
            "the void class: Blum et al.: The Fishyscapes Benchmark, IJCV 2021",
            model="void_small_ladder",
            needs=("void_logits",),
            takes_negatives=True,
        ),
    )
}
"""Every loss by name: a function of the same name in ``losses.py`` and its entry here."""
