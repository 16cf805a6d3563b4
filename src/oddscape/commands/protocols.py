"""``oddscape protocols``: what changes a figure, by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from oddscape.protocols import PROTOCOLS, Protocol
from oddscape.sizes import format_size


def protocols() -> None:
    """List the protocols: data set, labels, aggregation, FPR95 rule, evaluation size, open set."""
    table = Table("name", "what it fixes", title="Protocols", show_lines=True)
    for protocol in PROTOCOLS.values():
        table.add_row(protocol.name, "\n".join(describe(protocol)))
    Console().print(table)


def describe(protocol: Protocol) -> list[str]:
    """Everything that a protocol fixes, a line each."""
    size = protocol.evaluation_size
    aggregation = "over all pixels" if protocol.aggregation == "pooled" else "mean over pictures"
    lines = [
        protocol.title,
        f"labels: {protocol.labels}",
        f"figures: {aggregation}; FPR95 at {protocol.fpr_rule.replace('_', ' ')} 95 % recall",
        f"evaluated at {'the size of the labels' if size is None else format_size(size)}",
    ]
    return [*lines, "open-mIoU: each fold's threshold from the other folds"] if protocol.open_set else lines
