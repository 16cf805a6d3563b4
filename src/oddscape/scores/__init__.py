"""Anomaly scores: callables ``DenseOutput → float32 [N, H, W]``, higher = more anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oddscape.errors import OddscapeError
from oddscape.scores.closed_set import energy, entropy, gen, kl_uniform, margin, max_logit, msp
from oddscape.scores.distillation import dicnet
from oddscape.scores.fitted import FITTED
from oddscape.scores.masks import eam, rba
from oddscape.scores.members import mutual_information, predictive_entropy
from oddscape.scores.outlier_head import dataset_posterior, densehybrid, void
from oddscape.scores.parameters import Parameter
from oddscape.scores.postprocessing import POSTPROCESSING, PostProcessing
from oddscape.scores.score import Score
from oddscape.scores.spelling import read_score

__all__ = [
    "FITTED",
    "POSTPROCESSING",
    "SCORES",
    "PostProcessing",
    "Score",
    "fitting_scores",
    "pick_scores",
    "read_score",
]

_DENSEHYBRID = (
    "Grcić, Bevandić, Šegvić: DenseHybrid: Hybrid Anomaly Detection for Dense Open-set Recognition, ECCV 2022"
)
_TEMPERATURE = Parameter("temperature", "T, which the logits are divided by; 1 by default")

SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score(
            "msp",
            msp,
            "1 − max_k p_k",
            "Hendrycks, Gimpel: A Baseline for Detecting Misclassified and Out-of-Distribution Examples in "
            "Neural Networks, ICLR 2017",
            works="The network is unsure of what it does not know; needs nothing but a softmax.",
            fails="Networks are often sure of anomalies, and unsure along every boundary between classes.",
            parameters=(_TEMPERATURE,),
        ),
        Score(
            "max_logit",
            max_logit,
            "−max_k f_k",
            "Hendrycks et al.: Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022",
            works="Many classes that resemble one another: doubt between them does not count as an anomaly.",
            fails="Classes whose logits lie in different ranges: the rare ones look anomalous.",
        ),
        Score(
            "entropy",
            entropy,
            "−Σ_k p_k ln p_k",
            "Steinhardt, Liang: Unsupervised Risk Estimation Using Only Conditional Independence Structure, "
            "NeurIPS 2016",
            works="The network spreads its posterior over many classes where it knows none.",
            fails="Boundaries and small distant things are as uncertain as anomalies are.",
            parameters=(_TEMPERATURE,),
        ),
        Score(
            "energy",
            energy,
            "−logsumexp_k f_k",
            "Liu, Wang, Owens, Li: Energy-based Out-of-distribution Detection, NeurIPS 2020",
            works="Anomalies excite no class: all logits are low there. Ranks nearly as the max logit does.",
            fails="Networks with normalised logits, whose sum of exponentials says nothing.",
            parameters=(Parameter("temperature", "T in −T logsumexp_k (f_k / T); 1 by default"),),
        ),
        Score(
            "margin",
            margin,
            "1 − (p₁ − p₂), the two largest of p",
            "Rottmann et al.: Prediction Error Meta Classification in Semantic Segmentation: Detection via "
            "Aggregated Dispersion Measures of Softmax Probabilities, IJCNN 2020",
            works="Anomalies that look like two known classes at once.",
            fails="Boundaries between classes, where two posteriors are equal by nature.",
            parameters=(_TEMPERATURE,),
        ),
        Score(
            "kl_uniform",
            kl_uniform,
            "−KL(u ‖ p) = mean_k ln p_k + ln K",
            "Hendrycks, Mazeika, Dietterich: Deep Anomaly Detection with Outlier Exposure, ICLR 2019",
            works="Networks that learnt to give outliers a uniform posterior, by that very divergence.",
            fails="Other networks: the classes that are ruled out most surely outweigh those in question.",
            parameters=(_TEMPERATURE,),
        ),
        Score(
            "gen",
            gen,
            "Σ_k p_k^γ (1 − p_k)^γ",
            "Liu, Lochman, Zach: GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection, "
            "CVPR 2023",
            works="Well-trained networks whose posterior is nearly one-hot: small doubts tell pixels apart.",
            fails="A posterior that is diffuse everywhere: the smallest logits add noise; sum fewer classes.",
            parameters=(
                Parameter("gamma", "γ, below 1; 0.1 by default"),
                Parameter("classes", "classes to sum over, most probable first; all by default", whole=True),
                _TEMPERATURE,
            ),
        ),
        Score(
            "rba",
            rba,
            "−Σ_k tanh(Σ_q p_qk σ(m_q))",
            "Nayal, Yavuz, Henriques, Güney: RbA: Segmenting Unknown Regions Rejected by All, ICCV 2023",
            needs=("mask_logits", "class_logits"),
            works="Masks that each stand for one class: what none of them claims is unknown.",
            fails="Anomalies that a mask of a known class takes in, such as an obstacle taken for road.",
        ),
        Score(
            "eam",
            eam,
            "−Σ_q σ(m_q) max_k p_qk",
            "Grcić, Šarić, Šegvić: On Advantages of Mask-level Recognition for Outlier-aware Segmentation, "
            "CVPR Workshops 2023",
            needs=("mask_logits", "class_logits"),
            works="As RbA; where two sure masks meet, the boundary does not look anomalous.",
            fails="As RbA; weak masks that overlap add up to a claim that none of them makes.",
        ),
        Score(
            "densehybrid",
            densehybrid,
            "ln P(d_out | x) − logsumexp_k f_k",
            _DENSEHYBRID,
            needs=("outlier_logits",),
            saw_outliers=True,
            works="An outlier head trained on pasted negatives: it and the likelihood err differently.",
            fails="Anomalies unlike every negative on which the likelihood is high as well.",
        ),
        Score(
            "dataset_posterior",
            dataset_posterior,
            "ln P(d_out | x)",
            _DENSEHYBRID,
            needs=("outlier_logits",),
            saw_outliers=True,
            works="Anomalies that resemble the negatives it was trained with.",
            fails="Anomalies unlike the negatives; networks that learnt the paste instead of the object.",
        ),
        Score(
            "dicnet",
            dicnet,
            "mean_c (T_c − S_c)²",
            "Zhou et al.: Anomaly Discovery in Semantic Segmentation via Distillation Comparison Networks, "
            "arXiv 2112.09908",
            needs=("features", "student_features"),
            per_pixel=False,
            works="A student that follows its teacher on known scenes, and scenes like those it learnt from.",
            fails="A change of weather or camera parts the two as an anomaly does.",
        ),
        Score(
            "void",
            void,
            "ln P(void | x) among K + 1 classes",
            "Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark, IJCV 2021",
            needs=("void_logits",),
            saw_outliers=True,
            works="The void regions or negatives of the training data resemble the anomalies.",
            fails="Void that holds what is always there, such as the car's own bonnet.",
        ),
        Score(
            "predictive_entropy",
            predictive_entropy,
            "H(p̄) = −Σ_k p̄_k ln p̄_k, p̄ the mean of the members' p",
            "Lakshminarayanan, Pritzel, Blundell: Simple and Scalable Predictive Uncertainty Estimation "
            "using Deep Ensembles, NeurIPS 2017",
            needs=("member_logits",),
            kind="several passes",
            works="Members in doubt or in disagreement: either makes the mean posterior flat.",
            fails="Boundaries between classes; and what all members are sure to be a known class.",
        ),
        Score(
            "mutual_information",
            mutual_information,
            "H(p̄) − mean_m H(p_m), over the members' p",
            "Mukhoti, Gal: Evaluating Bayesian Deep Learning Methods for Semantic Segmentation, "
            "arXiv 1811.12709",
            needs=("member_logits",),
            kind="several passes",
            works="Members that disagree on what they do not know: doubt that all share does not count.",
            fails="Members too much alike, such as a few dropped units: they err together.",
        ),
    )
}
"""Every score by name. A new one is a function and an entry here; the shared tests then cover it."""


def fitting_scores(fields: frozenset[str]) -> dict[str, Score]:
    """The scores that can run on a network whose output holds these native maps."""
    return {name: score for name, score in SCORES.items() if not score.missing(fields)}


def pick_scores(
    names: Sequence[str],
    fields: frozenset[str],
    fitted: Mapping[str, Score] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Score]:
    """Look scores up and make sure that a network can carry them.

    Args:
        names: of ``SCORES``, with parameters and post-processing where wanted, as in
            ``energy@temperature=2`` or ``max_logit+boundaries+smoothing``; ``"all"`` stands for all of
            ``SCORES`` that the network can carry, and all that are fitted.
        fields: names of the native maps that the network gives.
        fitted: scores that have learnt from known data, by name, beside those of ``SCORES``.
        left_out: maps that the network gives and its wrappers do not, and what these do
            (:func:`~oddscape.wrappers.left_out.left_out`).

    Returns:
        The scores under the names as given.

    Raises:
        OddscapeError: no name at all, an unknown one, or a score that needs what the network lacks.
    """
    fitted = dict(fitted or {})
    fitting = fitting_scores(fields) | fitted
    if not names:
        raise OddscapeError(f"unknown score (none given); known: {', '.join(SCORES)}")
    picked: dict[str, Score] = {}
    for name in names:
        _expect_fitted(name, fitted)
        picked |= fitting if name == "all" else {name: read_score(name, SCORES | fitted)}
    for name, score in picked.items():
        if missing := score.missing(fields):
            raise OddscapeError(
                f"{_refusal(name, missing, left_out or {})}; scores that it can carry: {', '.join(fitting)}"
            )
    return picked


def _refusal(name: str, missing: Sequence[str], left_out: Mapping[str, str]) -> str:
    needed = ", ".join(missing)
    if not left_out.keys() >= set(missing):
        return f"score {name!r} needs {needed}, which this network does not give"
    ways = "; ".join(dict.fromkeys(left_out[each] for each in missing))
    return f"score {name!r} does not run with this: {ways}, for that leaves out {needed}"


def _expect_fitted(name: str, fitted: Mapping[str, Score]) -> None:
    written = name.partition("+")[0]
    if written.partition("@")[0] in FITTED and written not in fitted:
        raise OddscapeError(
            f"score {written!r} learns from known data and is not among those that are fitted "
            f"({', '.join(fitted) or 'none'}): see oddscape fit and --fitted, or odd.fit_scores"
        )
