"""Where in an exported detector's graph its network is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oddscape.errors import OddscapeError
from oddscape.files import written_atomically
from oddscape.models.packages import load_package

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_CONVOLUTIONS = {"Conv", "ConvTranspose"}


def network_nodes(model: ModelProto) -> tuple[set[str], set[str]]:
    """Names of the nodes that maps go through from the first convolutions to the last, and of the last ones.

    What is before is the resizing of pictures, what is after their upsampling and the score.

    Raises:
        OddscapeError: there is no convolution.
    """
    nodes = list(model.graph.node)  # every node after those that it reads
    convolutions = {node.name for node in nodes if node.op_type in _CONVOLUTIONS}
    if not convolutions:
        raise OddscapeError("the network has no convolution that could be computed in fewer bits")
    after, before = _reached(nodes, convolutions), _leading(nodes, convolutions)
    return after & (before | convolutions), convolutions - before


def _reached(nodes: Sequence[NodeProto], starts: set[str]) -> set[str]:
    """The starts, and all nodes that read what comes of them, but for its shape."""
    reached, tensors = set(starts), set[str]()
    for node in nodes:
        if node.name in reached or (tensors.intersection(node.input) and node.op_type != "Shape"):
            reached.add(node.name)
            tensors.update(node.output)
    return reached


def _leading(nodes: Sequence[NodeProto], ends: set[str]) -> set[str]:
    """All nodes that a node of the ends reads something of."""
    leading, tensors = set[str](), set[str]()
    for node in reversed(nodes):
        if tensors.intersection(node.output):
            leading.add(node.name)
        if node.name in ends or node.name in leading:
            tensors.update(node.input)
    return leading


def save_with_precision(model: ModelProto, precision: str, path: Path) -> None:
    """Write a model whose metadata then say in what its network computes."""
    for entry in model.metadata_props:
        if entry.key == "precision":
            entry.value = precision
    with written_atomically(path) as partial:
        load_package("onnx", "export").save(model, partial)
