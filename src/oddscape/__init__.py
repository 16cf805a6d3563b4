"""Oddscape: dense anomaly detection and open-set semantic segmentation of road scenes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from oddscape.version import __version__

if TYPE_CHECKING:
    from oddscape import data, metrics
    from oddscape.data import DATASETS
    from oddscape.detector import Detector, Prediction
    from oddscape.errors import OddscapeError
    from oddscape.evaluation import evaluate, evaluate_scores
    from oddscape.examples import illustrate
    from oddscape.labels import LabelSpace
    from oddscape.models import MODELS, DiCNet, create_model, load_checkpoint, save_checkpoint
    from oddscape.models.adapters import wrap
    from oddscape.models.outlier_head import with_outlier_head
    from oddscape.outputs import DenseOutput, NativeMaps
    from oddscape.protocol_file import read_protocol
    from oddscape.protocols import PROTOCOLS, Protocol
    from oddscape.report.page import write_report
    from oddscape.results import Results
    from oddscape.scenes import Scene
    from oddscape.scores import SCORES, Score
    from oddscape.town import make_town
    from oddscape.training.config import TrainConfig
    from oddscape.training.loop import train
    from oddscape.training.losses import LOSSES
    from oddscape.wrappers.multi_scale import MultiScaleFlip
    from oddscape.wrappers.windows import SlidingWindows

# Where each public name lives. They are imported when first asked for, so that the command line answers
# without waiting for torch.
_HOMES = {
    "DATASETS": "data",
    "Detector": "detector",
    "Prediction": "detector",
    "OddscapeError": "errors",
    "evaluate": "evaluation",
    "evaluate_scores": "evaluation",
    "illustrate": "examples",
    "LabelSpace": "labels",
    "LOSSES": "training.losses",
    "MODELS": "models",
    "DiCNet": "models",
    "create_model": "models",
    "load_checkpoint": "models",
    "save_checkpoint": "models",
    "wrap": "models.adapters",
    "with_outlier_head": "models.outlier_head",
    "MultiScaleFlip": "wrappers.multi_scale",
    "DenseOutput": "outputs",
    "NativeMaps": "outputs",
    "PROTOCOLS": "protocols",
    "Protocol": "protocols",
    "read_protocol": "protocol_file",
    "write_report": "report.page",
    "Results": "results",
    "Scene": "scenes",
    "SCORES": "scores",
    "Score": "scores",
    "make_town": "town",
    "train": "training.loop",
    "TrainConfig": "training.config",
    "SlidingWindows": "wrappers.windows",
}

__all__ = [
    "DATASETS",
    "LOSSES",
    "MODELS",
    "PROTOCOLS",
    "SCORES",
    "DenseOutput",
    "Detector",
    "DiCNet",
    "LabelSpace",
    "MultiScaleFlip",
    "NativeMaps",
    "OddscapeError",
    "Prediction",
    "Protocol",
    "Results",
    "Scene",
    "Score",
    "SlidingWindows",
    "TrainConfig",
    "__version__",
    "create_model",
    "data",
    "evaluate",
    "evaluate_scores",
    "illustrate",
    "load_checkpoint",
    "make_town",
    "metrics",
    "read_protocol",
    "save_checkpoint",
    "train",
    "with_outlier_head",
    "wrap",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in ("data", "metrics"):
        return import_module(f"oddscape.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'oddscape' has no attribute {name!r}")
    value = getattr(import_module(f"oddscape.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
