"""Anomaly scores: callables ``DenseOutput → float32 [N, H, W]``, higher = more anomalous."""

from __future__ import annotations

from collections.abc import Sequence

from oddscape.errors import OddscapeError
from oddscape.scores.closed_set import energy, entropy, max_logit, msp
from oddscape.scores.distillation import dicnet
from oddscape.scores.outlier_head import dataset_posterior, densehybrid, void
from oddscape.scores.score import Score

__all__ = ["SCORES", "Score", "fitting_scores", "pick_scores"]

_DENSEHYBRID = "Grcić, Bevandić, Šegvić: DenseHybrid, ECCV 2022"
_SCALING = "Hendrycks et al.: Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022"

SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score(
            "msp", msp, "1 − max_k softmax(f)_k", "Hendrycks, Gimpel: A Baseline for Detecting …, ICLR 2017"
        ),
        Score("max_logit", max_logit, "−max_k f_k", _SCALING),
        Score(
            "entropy",
            entropy,
            "−Σ_k p_k ln p_k, p = softmax(f)",
            "Steinhardt, Liang: Unsupervised Risk Estimation …, NeurIPS 2016",
        ),
        Score(
            "energy",
            energy,
            "−logsumexp_k f_k",
            "Liu et al.: Energy-based Out-of-distribution Detection, NeurIPS 2020",
        ),
        Score(
            "densehybrid",
            densehybrid,
            "ln P(d_out | x) − logsumexp_k f_k",
            _DENSEHYBRID,
            needs=("outlier_logits",),
            saw_outliers=True,
        ),
        Score(
            "dataset_posterior",
            dataset_posterior,
            "ln P(d_out | x)",
            _DENSEHYBRID,
            needs=("outlier_logits",),
            saw_outliers=True,
        ),
        Score(
            "dicnet",
            dicnet,
            "mean_c (T_c − S_c)²",
            "Zhou et al.: Anomaly Discovery … via Distillation Comparison Networks, arXiv 2112.09908",
            needs=("features", "student_features"),
            per_pixel=False,
        ),
        Score(
            "void",
            void,
            "ln P(void | x) among K + 1 classes",
            "Blum et al.: The Fishyscapes Benchmark, IJCV 2021",
            needs=("void_logits",),
            saw_outliers=True,
        ),
    )
}
"""Every score by name. A new one is a function and an entry here; the shared tests then cover it."""


def fitting_scores(fields: frozenset[str]) -> dict[str, Score]:
    """The scores that can run on a network whose output holds these native maps."""
    return {name: score for name, score in SCORES.items() if not score.missing(fields)}


def pick_scores(names: Sequence[str], fields: frozenset[str]) -> dict[str, Score]:
    """Look scores up by name and make sure that a network can carry them; ``"all"`` stands for those it can.

    Raises:
        OddscapeError: no name at all, an unknown one, or a score that needs what the network lacks.
    """
    fitting = fitting_scores(fields)
    unknown = [name for name in names if name not in SCORES and name != "all"]
    if unknown or not names:
        given = ", ".join(map(repr, unknown)) or "(none given)"
        raise OddscapeError(f"unknown score {given}; known: {', '.join(SCORES)}")
    for name in names:
        if name != "all" and (missing := SCORES[name].missing(fields)):
            raise OddscapeError(
                f"score {name!r} needs {', '.join(missing)}, which this network does not give; "
                f"scores that it can carry: {', '.join(fitting)}"
            )
    return fitting if "all" in names else {name: SCORES[name] for name in names}
