"""``oddscape town make``: the synthetic town on disk."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from oddscape.advance import counted
from oddscape.commands.options import SizeOption
from oddscape.commands.progress import progress_bar


def make(
    directory: Path,
    *,
    seed: int = 0,
    size: SizeOption = (180, 320),
    training: int = 600,
    validation: int = 60,
    test: int = 120,
    negatives: Path | None = None,
    sheet: Path | None = None,
) -> None:
    """Render a town in StreetHazards' layout, and negatives in ADE20K's where asked for.

    Parameters
    ----------
    directory
        Folder for the town.
    seed
        Another seed gives other pictures.
    size
        Width x height of the pictures, as in 320x180.
    training
        Number of training pictures.
    validation
        Number of validation pictures.
    test
        Number of test pictures, over two towns, with anomalies.
    negatives
        Folder for as many negatives as half the training pictures.
    sheet
        PNG file for a contact sheet of 24 pictures.
    """
    from oddscape.files import written_atomically
    from oddscape.town import NegativeCounts, TownCounts, contact_sheet, make_negatives, make_town

    counts = TownCounts(training, validation, test)
    total = training + validation + test
    with progress_bar("building the town") as advance:
        make_town(
            directory, seed=seed, size=size or (180, 320), counts=counts, progress=counted(advance, total)
        )
    Console().print(f"{total} pictures: {directory}", soft_wrap=True)
    if negatives is not None:
        amount = NegativeCounts(training // 2, validation // 2)
        total = amount.training + amount.validation
        with progress_bar("making negatives") as advance:
            make_negatives(negatives, seed=seed, counts=amount, progress=counted(advance, total))
        Console().print(f"{total} negatives: {negatives}", soft_wrap=True)
    if sheet is not None:
        with written_atomically(sheet) as partial:
            contact_sheet(seed=seed).save(partial, format="PNG")
        Console().print(f"contact sheet: {sheet}", soft_wrap=True)
