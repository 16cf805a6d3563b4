"""``oddscape models``: the networks by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def models(*, num_classes: int = 19) -> None:
    """List the networks: parameters, the maps that they give, and the scores that they can carry.

    Parameters
    ----------
    num_classes
        Number of known classes that the parameters are counted for.
    """
    from oddscape.models import MODELS, create_model, probe
    from oddscape.scores import fitting_scores

    table = Table(title=f"Networks (for {num_classes} known classes)", show_lines=True)
    for column in ("name", "million parameters", "maps", "scores"):
        table.add_column(column, overflow="fold")
    for name in MODELS:
        net = create_model(name, num_classes)
        fields = probe(net).fields
        parameters = sum(parameter.numel() for parameter in net.parameters()) / 1e6
        table.add_row(name, f"{parameters:.2f}", ", ".join(sorted(fields)), ", ".join(fitting_scores(fields)))
    Console().print(table)
