"""``oddscape protocols``: what changes a figure, by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oddscape.commands.entries import markdown_entry
from oddscape.protocols import PROTOCOLS, Protocol
from oddscape.report.wording import rule_facts


def protocols(*, markdown: bool = False) -> None:
    """List the protocols with everything that each of them fixes.

    Data set and split, label reading, region of interest, aggregation, FPR95 rule, thresholds, evaluation
    size, component sizes.

    Parameters
    ----------
    markdown
        In Markdown, as in docs/protocols.md.
    """
    if markdown:
        print("\n\n".join(map(_entry, PROTOCOLS.values())))
        return
    table = Table("name", "what it fixes", title="Protocols", show_lines=True)
    for protocol in PROTOCOLS.values():
        table.add_row(protocol.name, Text("\n".join(describe(protocol))))
    Console().print(table)


def _entry(protocol: Protocol) -> str:
    return markdown_entry(protocol.name, [("what", protocol.title), *rule_facts(protocol)], level=3)


def describe(protocol: Protocol) -> list[str]:
    """Everything that a protocol fixes, a line each."""
    return [protocol.title, *(f"{term}: {text}" for term, text in rule_facts(protocol))]
