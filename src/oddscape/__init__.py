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
    from oddscape.examples import illustrate, illustrate_scores
    from oddscape.export import export_detector, export_onnx, export_program
    from oddscape.fitting import fit_scores
    from oddscape.illustrations import Gallery
    from oddscape.labels import LabelSpace
    from oddscape.models import MODELS, DiCNet, create_model, load_checkpoint, save_checkpoint
    from oddscape.models.adapters import wrap
    from oddscape.models.fused_batch_norms import fuse_batch_norms
    from oddscape.models.imagenet import load_imagenet
    from oddscape.models.outlier_head import with_outlier_head
    from oddscape.outputs import DenseOutput, NativeMaps
    from oddscape.protocol_file import read_protocol
    from oddscape.protocols import PROTOCOLS, Protocol
    from oddscape.regions import RegionRules, anomaly_mask, find_regions
    from oddscape.report.page import write_report
    from oddscape.results import Results
    from oddscape.scenes import Scene
    from oddscape.scores import SCORES, Score
    from oddscape.scores.fitted import FITTED
    from oddscape.scores.fitted.files import load_scores, save_scores
    from oddscape.scores.postprocessing import POSTPROCESSING
    from oddscape.threshold_rules import BestF1, FalseAlarms, FalseRegions, Recall
    from oddscape.thresholds import Calibration, calibrate, check_threshold
    from oddscape.town import make_town
    from oddscape.training.config import TrainConfig
    from oddscape.training.loop import train
    from oddscape.training.methods import LOSSES
    from oddscape.wrappers.ensemble import ensemble
    from oddscape.wrappers.mc_dropout import mc_dropout
    from oddscape.wrappers.multi_scale import MultiScaleFlip
    from oddscape.wrappers.odin import odin
    from oddscape.wrappers.react import fit_react, react
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
    "illustrate_scores": "examples",
    "Gallery": "illustrations",
    "LabelSpace": "labels",
    "LOSSES": "training.methods",
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
    "RegionRules": "regions",
    "anomaly_mask": "regions",
    "find_regions": "regions",
    "BestF1": "threshold_rules",
    "FalseAlarms": "threshold_rules",
    "FalseRegions": "threshold_rules",
    "Recall": "threshold_rules",
    "Calibration": "thresholds",
    "calibrate": "thresholds",
    "check_threshold": "thresholds",
    "train": "training.loop",
    "TrainConfig": "training.config",
    "SlidingWindows": "wrappers.windows",
    "FITTED": "scores.fitted",
    "POSTPROCESSING": "scores.postprocessing",
    "fit_scores": "fitting",
    "load_scores": "scores.fitted.files",
    "save_scores": "scores.fitted.files",
    "odin": "wrappers.odin",
    "mc_dropout": "wrappers.mc_dropout",
    "ensemble": "wrappers.ensemble",
    "react": "wrappers.react",
    "fit_react": "wrappers.react",
    "load_imagenet": "models.imagenet",
    "fuse_batch_norms": "models.fused_batch_norms",
    "export_detector": "export",
    "export_program": "export",
    "export_onnx": "export",
}

__all__ = [
    "DATASETS",
    "FITTED",
    "LOSSES",
    "MODELS",
    "POSTPROCESSING",
    "PROTOCOLS",
    "SCORES",
    "BestF1",
    "Calibration",
    "DenseOutput",
    "Detector",
    "DiCNet",
    "FalseAlarms",
    "FalseRegions",
    "Gallery",
    "LabelSpace",
    "MultiScaleFlip",
    "NativeMaps",
    "OddscapeError",
    "Prediction",
    "Protocol",
    "Recall",
    "RegionRules",
    "Results",
    "Scene",
    "Score",
    "SlidingWindows",
    "TrainConfig",
    "__version__",
    "anomaly_mask",
    "calibrate",
    "check_threshold",
    "create_model",
    "data",
    "ensemble",
    "evaluate",
    "evaluate_scores",
    "export_detector",
    "export_onnx",
    "export_program",
    "find_regions",
    "fit_react",
    "fit_scores",
    "fuse_batch_norms",
    "illustrate",
    "illustrate_scores",
    "load_checkpoint",
    "load_imagenet",
    "load_scores",
    "make_town",
    "mc_dropout",
    "metrics",
    "odin",
    "react",
    "read_protocol",
    "save_checkpoint",
    "save_scores",
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
