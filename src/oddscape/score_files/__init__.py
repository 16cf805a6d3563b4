"""Score maps as files, so that any program's scores can be evaluated: five formats, one folder a run."""

from oddscape.score_files.folder import ScoreFolder
from oddscape.score_files.formats import SCORE_FORMATS, ScoreFormat, find_format
from oddscape.score_files.precision import PrecisionLoss, measure_loss, precision_loss, saturation
from oddscape.score_files.writer import ScoreWriter, write_score

__all__ = [
    "SCORE_FORMATS",
    "PrecisionLoss",
    "ScoreFolder",
    "ScoreFormat",
    "ScoreWriter",
    "find_format",
    "measure_loss",
    "precision_loss",
    "saturation",
    "write_score",
]
