"""Networks and whole detectors as programs that run without their Python code: torch.export and ONNX."""

from oddscape.export.detectors import export_detector
from oddscape.export.networks import export_onnx, export_program

__all__ = ["export_detector", "export_onnx", "export_program"]
