"""Exported detectors with their network in whole numbers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddscape.export.conversion import one_line
from oddscape.export.onnx_graph import network_nodes, save_with_precision
from oddscape.models.packages import load_package

# What surrounds convolutions; the rest, such as a softmax, loses more than it gains.
_QUANTISED = [
    "Conv",
    "Add",
    "Concat",
    "Resize",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Clip",
    "Relu",
]


def to_int8(exported: Path, path: Path, pictures: Iterable[NDArray[np.uint8]]) -> None:
    """Quantise a network to 8 bits; the last convolutions, upsampling and the score stay float32.

    Weights have a scale for each channel; maps have one each, from their least and greatest values on a
    picture, averaged over the pictures. Jacob et al.: Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference, CVPR 2018.

    Args:
        exported: an ONNX file of :func:`~oddscape.export.export_detector`.
        path: the file to write.
        pictures: what the network will see, uint8 [H, W, 3]; one is in memory at a time.

    Raises:
        OddscapeError: a network without convolutions, no pictures, or one that onnxruntime does not convert.
    """
    onnx = load_package("onnx", "export")
    quantization = load_package("onnxruntime.quantization", "export")
    preprocess = load_package("onnxruntime.quantization.preprocess", "export").quant_pre_process
    with TemporaryDirectory() as folder, one_line("the network does not go into 8 bits"):
        shaped, quantised = Path(folder, "shaped.onnx"), Path(folder, "quantised.onnx")
        preprocess(exported, shaped, skip_optimization=True, skip_symbolic_shape=True)
        model = onnx.load(shaped)
        inside, last = network_nodes(model)
        quantization.quantize_static(
            shaped,
            quantised,
            _Reader(pictures, [given.name for given in model.graph.input]),
            op_types_to_quantize=_QUANTISED,
            nodes_to_quantize=sorted(inside - last),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"CalibMovingAverage": True},
        )
        save_with_precision(onnx.load(quantised), "int8", path)


class _Reader:
    """Pictures one by one, as onnxruntime asks for them."""

    def __init__(self, pictures: Iterable[NDArray[np.uint8]], inputs: Iterable[str]) -> None:
        self._pictures: Iterator[NDArray[np.uint8]] = iter(pictures)
        # The threshold, where it is an input, changes no map.
        self._others = {name: np.zeros(1, np.float32) for name in inputs if name != "image"}

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {"image": picture[None], **self._others}
