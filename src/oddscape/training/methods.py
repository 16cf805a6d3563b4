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
        score: name in ``odd.SCORES`` of the score that it is meant for.
        works: when it helps.
        fails: when it does not.
        model: name in ``odd.MODELS`` of the network that it trains where none is named.
        needs: names of the maps of :class:`~oddscape.outputs.NativeMaps` that it reads beside the logits.
        takes_negatives: whether it is for pictures with negatives pasted into them.
        distils: whether the weights that training starts from are those of a frozen teacher, which it cannot
            do without.
        compares: whether it compares with what the network said before training, so that it takes a network
            that has learnt its classes.
    """

    name: str
    title: str
    formula: str
    paper: str
    score: str
    works: str
    fails: str
    model: str
    needs: tuple[str, ...] = ()
    takes_negatives: bool = False
    distils: bool = False
    compares: bool = False

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
            score="energy",
            works=(
                "Every other method starts from its weights; scores of its outputs alone need nothing more."
            ),
            fails=(
                "It is never told what an anomaly is: closed-set networks are often sure of what they "
                "never saw."
            ),
            model="small_ladder",
        ),
        Method(
            "densehybrid",
            "closed-set classes and an outlier head, on mixed content",
            "mean_known −ln softmax(f)_y + β mean_pasted logsumexp(f) + 10 β mean −ln softmax(o)_pasted",
            _DENSEHYBRID,
            score="densehybrid",
            works="Negatives of many kinds and sizes, as sharp as the pictures that they are pasted into.",
            fails=(
                "Pastes that betray themselves by an edge or their sharpness; small objects, where none "
                "are pasted. Without a margin the likelihood of negatives may fall without end."
            ),
            model="densehybrid_small_ladder",
            needs=("outlier_logits",),
            takes_negatives=True,
        ),
        Method(
            "densehybrid-likelihood",
            "DenseHybrid's ablation without dataset posterior",
            "mean_known −ln softmax(f)_y + β mean_pasted logsumexp(f)",
            _DENSEHYBRID,
            score="energy",
            works="A network that cannot be given a second head: its closed-set score gets better by itself.",
            fails="As densehybrid, without the other half of the score, whose errors are of another kind.",
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "densehybrid-posterior",
            "DenseHybrid's ablation without likelihood of negatives",
            "mean_known −ln softmax(f)_y + 10 β mean −ln softmax(o)_pasted",
            _DENSEHYBRID,
            score="dataset_posterior",
            works="Anomalies that resemble the negatives.",
            fails="Anomalies unlike all negatives: nothing lowers their likelihood.",
            model="densehybrid_small_ladder",
            needs=("outlier_logits",),
            takes_negatives=True,
        ),
        Method(
            "densehybrid-kept",
            "DenseHybrid for a network that is to keep its classes",
            "κ mean_known KL(softmax(f⁰) ‖ softmax(f)) + "
            "λ mean_known max(0, logsumexp(f⁰) − logsumexp(f))² + "
            "β mean_pasted logsumexp(f) + 10 β mean −ln softmax(o)_pasted, f⁰ the logits before training",
            f"{_DENSEHYBRID}; what is kept: Li, Hoiem: Learning without Forgetting, ECCV 2016",
            score="densehybrid",
            works="A trained network whose training data is gone: its own answer stands in for labels.",
            fails="A network that is wrong about its known classes stays so.",
            model="densehybrid_small_ladder",
            needs=("outlier_logits",),
            takes_negatives=True,
            compares=True,
        ),
        Method(
            "dicnet",
            "a student that reproduces a trained network's features",
            "mean (S − T)²",
            "Zhou et al.: Anomaly Discovery in Semantic Segmentation via Distillation Comparison Networks, "
            "arXiv 2112.09908",
            score="dicnet",
            works=(
                "Known scenes that stay alike in weather and camera; it needs neither negatives nor labels."
            ),
            fails=(
                "A student as able as its teacher follows it on anomalies, too; edges and fine structures"
                " differ most."
            ),
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
            score="entropy",
            works="Negatives of many kinds; an existing network, of which the last layers are enough.",
            fails="Large weights take from the classes: pixels between two classes look like negatives.",
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "energy-margin",
            "closed-set classes, low energy of known pixels and high energy of negatives",
            "mean_known −ln softmax(f)_y + λ (mean_known max(0, E − m_in)² + "
            "mean_pasted max(0, m_out − E)²), E = −logsumexp(f)",
            "Liu, Wang, Owens, Li: Energy-based Out-of-distribution Detection, NeurIPS 2020",
            score="energy",
            works=(
                "Margins that fit the network: between the energies of its known pixels and of its negatives."
            ),
            fails=(
                "The published margins on a network whose logits have another range: a hinge is then "
                "always or never at work."
            ),
            model="small_ladder",
            takes_negatives=True,
        ),
        Method(
            "outlier-exposure",
            "closed-set classes, and a void class for negatives",
            "mean_known −ln softmax(f, v)_y + λ mean_pasted −ln softmax(f, v)_v, v the void class's logit",
            "Hendrycks, Mazeika, Dietterich: Deep Anomaly Detection with Outlier Exposure, ICLR 2019; "
            "the void class: Blum et al.: The Fishyscapes Benchmark, IJCV 2021",
            score="void",
            works="Negatives, or void regions, that resemble the anomalies.",
            fails="The void class learns what the negatives are, and not what the known classes are not.",
            model="void_small_ladder",
            needs=("void_logits",),
            takes_negatives=True,
        ),
    )
}
"""Every loss by name: a function of the same name in ``losses.py`` and its entry here."""
