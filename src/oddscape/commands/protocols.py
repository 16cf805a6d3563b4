"""``oddscape protocols``: what changes a figure, by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from oddscape.protocols import PROTOCOLS, Protocol
from oddscape.report.wording import AGGREGATIONS, FPR_RULES_IN_WORDS
from oddscape.sizes import format_size


def protocols() -> None:
    """List the protocols: data set and split, labels, aggregation, FPR95 rule, evaluation size, open set."""
    table = Table("name", "what it fixes", title="Protocols", show_lines=True)
    for protocol in PROTOCOLS.values():
        table.add_row(protocol.name, "\n".join(describe(protocol)))
    Console().print(table)


def describe(protocol: Protocol) -> list[str]:
    """Everything that a protocol fixes, a line each."""
    size = protocol.evaluation_size
    options = "".join(f", {name} {value}" for name, value in protocol.reader.items())
    lines = [
        protocol.title,
        f"data: {protocol.data}{options}",
        f"labels: {protocol.labels}",
        f"figures: {AGGREGATIONS[protocol.aggregation]}; FPR95 {FPR_RULES_IN_WORDS[protocol.fpr_rule]}",
        f"evaluated at {'the size of the labels' if size is None else format_size(size)}",
    ]
    return [*lines, "open-mIoU: each fold's threshold from the other folds"] if protocol.open_set else lines
