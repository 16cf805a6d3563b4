"""Exported detectors with their network in float16."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oddscape.errors import OddscapeError
from oddscape.export.onnx_graph import network_nodes, save_with_precision
from oddscape.models.packages import load_package

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FLOAT, _HALF = 1, 10  # onnx.TensorProto
_HIGHEST = float(np.finfo(np.float16).max)


def to_float16(exported: Path, path: Path) -> None:
    """Round a network to float16, for half the file; resizing, upsampling and the score stay float32.

    On a processor without float16 arithmetic onnxruntime computes in float32 all the same: what is lost there
    is the weights' digits alone, and no map is too large.

    onnxruntime's own converter takes every map through float16, those between nodes that it leaves alone,
    too: sizes of pictures are beyond it.

    Args:
        exported: an ONNX file of :func:`~oddscape.export.export_detector`.
        path: the file to write.

    Raises:
        OddscapeError: a network without convolutions, or weights beyond float16.
    """
    onnx = load_package("onnx", "export")
    model = onnx.shape_inference.infer_shapes(onnx.load(exported))
    inside, _ = network_nodes(model)
    halves = _Halves(model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes += halves.of_network(node) if node.name in inside else halves.around(node)
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    halves.drop_unread()
    save_with_precision(model, "float16", path)


class _Halves:
    """Nodes of a model with casts before them, where a map comes from the other side."""

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self.graph = graph
        self.weights = {weight.name: weight for weight in graph.initializer}
        typed = [(value.name, value.type.tensor_type.elem_type) for value in graph.value_info]
        typed += [(weight.name, weight.data_type) for weight in graph.initializer]
        self.floats = {name for name, kind in typed if kind == _FLOAT}
        self.halves: set[str] = set()  # maps that the network made
        self.made: set[str] = set()  # casts and rounded weights that are there already

    def of_network(self, node: NodeProto) -> list[NodeProto]:
        """A node of the network, which reads and gives float16."""
        before: list[NodeProto] = []
        for place, name in enumerate(node.input):
            if name not in self.floats or name in self.halves or (node.op_type == "Resize" and place):
                continue
            before += [] if name in self.weights else self._cast(name, _HALF)
            if name in self.weights:
                self._round(name)
            node.input[place] = f"{name}_half"
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _HALF
        self.halves.update(self.floats.intersection(node.output))
        return [*before, node]

    def around(self, node: NodeProto) -> list[NodeProto]:
        """Any other node, which reads and gives float32."""
        before: list[NodeProto] = []
        for place, name in enumerate(node.input):
            if name in self.halves:
                before += self._cast(name, _FLOAT)
                node.input[place] = f"{name}_float"
        return [*before, node]

    def drop_unread(self) -> None:
        """Leave out weights that only their rounded copies are read of."""
        read = {name for node in self.graph.node for name in node.input}
        kept = [weight for weight in self.graph.initializer if weight.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _cast(self, name: str, kind: int) -> list[NodeProto]:
        cast = f"{name}_{'half' if kind == _HALF else 'float'}"
        if cast in self.made:
            return []
        self.made.add(cast)
        node: NodeProto = load_package("onnx.helper", "export").make_node(
            "Cast", [name], [cast], cast, to=kind
        )
        return [node]

    def _round(self, name: str) -> None:
        if f"{name}_half" in self.made:
            return
        self.made.add(f"{name}_half")
        numpy_helper = load_package("onnx.numpy_helper", "export")
        weight = numpy_helper.to_array(self.weights[name])
        largest = np.abs(weight).max(initial=0)
        if np.isfinite(largest) and largest > _HIGHEST:
            raise OddscapeError(f"{name} reaches {largest:.3g}, float16 no more than 65504")
        self.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float16), f"{name}_half"))
