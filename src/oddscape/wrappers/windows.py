"""Sliding windows: a network shown a large picture piece by piece, its maps blended into whole ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import product

import torch
from torch import Tensor, nn

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput, NativeMaps, upsample
from oddscape.sizes import Size, format_size

Span = tuple[int, int]
"""First pixel and the one after the last, along a side of a picture."""

# Which query answers for what differs from pass to pass: these maps cannot be blended.
_OF_QUERIES = frozenset({"mask_logits", "class_logits"})


class SlidingWindows(nn.Module):
    """A network that sees overlapping windows of a picture and blends what it says about them.

    Memory is bounded by ``batch_size`` windows and the blended maps. Each map keeps its resolution where the
    windows' positions fall on its cells, as they do for maps at strides that divide ``stride``; any other map
    is brought to picture size first. Where two windows overlap, the earlier one alone counts in the first
    quarter of the overlap, the later one alone in the last, and between them the weights follow a raised
    cosine; they sum to one everywhere. A network that looks no further than a quarter of the overlap
    therefore gives what it gives for the whole picture, up to rounding.

    Windows end where the picture does: nothing is padded, and a picture that fits into one window is shown
    as it is. Blended maps are float32. Maps of mask classification (``mask_logits``, ``class_logits``) are
    left out, for the queries of two windows do not correspond.

    Args:
        net: maps pictures [N, 3, H, W] to a ``DenseOutput``.
        window: (H, W) of the largest window, multiples of ``stride`` and at least twice as much.
        overlap: the least share of a window that it has in common with the next, in [0, 1).
        stride: windows begin at multiples of it; the largest stride inside the network, whose maps then
            fall on the same grid in every window.
        batch_size: windows shown to the network at once.

    Raises:
        OddscapeError: a window that does not fit the stride, an overlap that leaves no step, or no window at
            once.
    """

    def __init__(
        self, net: nn.Module, window: Size, overlap: float = 0.25, *, stride: int = 32, batch_size: int = 1
    ) -> None:
        super().__init__()
        if any(side % stride or side < 2 * stride for side in window):
            raise OddscapeError(
                f"window {format_size(window)}: its sides must be multiples of the stride {stride}, "
                f"{2 * stride} or more"
            )
        if not 0 <= overlap < 1 or any(_step(side, overlap, stride) < stride for side in window):
            raise OddscapeError(
                f"overlap {overlap:g}: expected at least 0, and small enough for windows of "
                f"{format_size(window)} to be a stride of {stride} apart"
            )
        if batch_size < 1:
            raise OddscapeError(f"batch_size {batch_size}: expected 1 window at once or more")
        self.net = net
        self.window, self.overlap, self.stride, self.batch_size = window, overlap, stride, batch_size

    @property
    def in_words(self) -> str:
        """What is done, for the record of a run."""
        return f"windows of {format_size(self.window)} overlapping by {100 * self.overlap:g} %"

    def forward(self, image: Tensor) -> DenseOutput:
        """Segment pictures float [N, 3, H, W] in [0, 1] of any size."""
        net: Callable[[Tensor], DenseOutput] = self.net
        size = (image.shape[-2], image.shape[-1])
        rows, columns = (self._cut(side, window) for side, window in zip(size, self.window, strict=True))
        if len(rows) == len(columns) == 1:
            out = net(image)
            return replace(out, native=NativeMaps(**maps_of(out)))
        canvases: dict[str, _Canvas] = {}
        for tiles in self._batches(len(image), rows, columns):
            out = net(torch.stack([tile.crop(image) for tile in tiles]))
            for name, maps in maps_of(out).items():
                if name not in canvases:
                    canvases[name] = _Canvas(maps, len(image), rows, columns, out.align_corners)
                canvases[name].add(maps, tiles)
        native = NativeMaps(**{name: canvas.maps for name, canvas in canvases.items()})
        return DenseOutput(native, size, out.align_corners)

    def _cut(self, length: int, window: int) -> list[Span]:
        return cut(length, window, self.overlap, self.stride)

    def _batches(self, pictures: int, rows: list[Span], columns: list[Span]) -> Iterator[list[_Tile]]:
        # Windows of one shape together; those of the first shape are as large as windows get.
        shapes: dict[Size, list[_Tile]] = {}
        for picture, row, column in product(range(pictures), range(len(rows)), range(len(columns))):
            tile = _Tile(picture, row, column, slice(*rows[row]), slice(*columns[column]))
            shapes.setdefault(tile.size, []).append(tile)
        for tiles in shapes.values():
            for first in range(0, len(tiles), self.batch_size):
                yield tiles[first : first + self.batch_size]


def maps_of(out: DenseOutput) -> dict[str, Tensor]:
    """The native maps that have a value at each place, by name: all but those of mask classification."""
    names = (field.name for field in fields(out.native) if field.name not in _OF_QUERIES)
    maps = ((name, getattr(out.native, name)) for name in names)
    return {name: tensor for name, tensor in maps if tensor is not None}


def resized(maps: Tensor, size: Size, *, align_corners: bool) -> Tensor:
    """Bring maps [..., N, C, h, w] to ``size`` = (H, W) bilinearly, in float32."""
    flat = upsample(maps.flatten(0, -4), size, align_corners=align_corners)
    return flat.reshape(*maps.shape[:-2], *size)


def cut(length: int, window: int, overlap: float, stride: int) -> list[Span]:
    """Cut one side of a picture into overlapping windows.

    Args:
        length: pixels of the side.
        window: pixels of the longest window, a multiple of ``stride``.
        overlap: the least share of a window that it has in common with the next.
        stride: what all beginnings are multiples of.

    Returns:
        Windows in order, evenly spread; all of the full length but the last, which ends with the side and
        may be shorter by less than a stride. A side no longer than a window is one window.
    """
    if length <= window:
        return [(0, length)]
    last = -(-(length - window) // stride)  # in strides
    gaps = -(-last // (_step(window, overlap, stride) // stride))
    starts = (number * last // gaps * stride for number in range(gaps + 1))
    return [(start, min(start + window, length)) for start in starts]


def _step(window: int, overlap: float, stride: int) -> int:
    """The furthest that windows may be apart, a multiple of the stride."""
    return int(window * (1 - overlap) / stride + 1e-6) * stride


def blending_weight(spans: list[Span], number: int, position: Tensor) -> Tensor:
    """What a window counts for at some positions, in [0, 1]; over all windows of a side it sums to 1.

    Args:
        spans: the windows of a side.
        number: which of them.
        position: places along the side in pixels, float64 [P].
    """
    # As differences of steps the weights sum to one whatever the steps' form, and wherever more than two
    # windows overlap.
    return _step_to(spans, number, position) - _step_to(spans, number + 1, position)


def _step_to(spans: list[Span], number: int, position: Tensor) -> Tensor:
    """From 0, where the windows before a window count, to 1, where it or the windows after it do."""
    if number in (0, len(spans)):
        return torch.full_like(position, number == 0)
    start, end = spans[number][0], spans[number - 1][1]
    middle_half = max((end - start) / 2, 0.5)  # no overlap: a jump between two pixels
    share = ((position - start - (end - start) / 4) / middle_half).clamp(0, 1)
    return (1 - torch.cos(torch.pi * share)) / 2


@dataclass(frozen=True)
class _Tile:
    """One window of one picture: its numbers down and across, and its pixels."""

    picture: int
    row: int
    column: int
    rows: slice
    columns: slice

    @property
    def size(self) -> Size:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def crop(self, image: Tensor) -> Tensor:
        return image[self.picture, :, self.rows, self.columns]


def _cell(spans: list[Span], given: int) -> Fraction | None:
    """Pixels to a cell of the first window's map; None where some window begins inside of a cell."""
    cell = Fraction(spans[0][1], given)
    return None if any(start % cell for start, _ in spans) else cell


class _Side:
    """One side of a map that windows fill: its cells and what each window counts for."""

    def __init__(self, spans: list[Span], cell: Fraction) -> None:
        self.spans, self.cell = spans, cell

    def start(self, number: int) -> int:
        return int(self.spans[number][0] / self.cell)

    def cells(self, number: int, given: int) -> int:
        """How many cells a window has: as many as its map, if that covers the window and no more."""
        start, end = self.spans[number]
        covered = (end - start) / self.cell
        return min(max(given, int(covered)), -int(-covered // 1))

    def end(self, given: int) -> int:
        return self.start(-1) + self.cells(-1, given)

    def weight(self, number: int, cells: int, like: Tensor) -> Tensor:
        place = torch.arange(cells, dtype=torch.float64) + 0.5
        position = self.spans[number][0] + place * float(self.cell)
        return blending_weight(self.spans, number, position).to(like.device, torch.float32)


class _Canvas:
    """One map of whole pictures, [..., N, C, h, w], to which windows add theirs."""

    def __init__(
        self, maps: Tensor, pictures: int, rows: list[Span], columns: list[Span], align_corners: bool
    ) -> None:
        height, width = maps.shape[-2:]
        down, across = _cell(rows, height), _cell(columns, width)
        if down is None or across is None:
            down = across = Fraction(1)  # pixels are the grid that all windows share
        self.rows, self.columns = _Side(rows, down), _Side(columns, across)
        self.align_corners = align_corners
        shape = (*maps.shape[:-4], pictures, maps.shape[-3], self.rows.end(height), self.columns.end(width))
        self.whole = torch.zeros(shape, dtype=torch.float32, device=maps.device)
        self.filled = (0, 0)

    @property
    def maps(self) -> Tensor:
        """The blended map; the last windows may have filled less than the room for full ones."""
        return self.whole[..., : self.filled[0], : self.filled[1]]

    def add(self, maps: Tensor, tiles: list[_Tile]) -> None:
        """Add the maps of some windows, [..., B, C, h, w], each with its weight."""
        height = self.rows.cells(tiles[0].row, maps.shape[-2])
        width = self.columns.cells(tiles[0].column, maps.shape[-1])
        fitted = resized(maps, (height, width), align_corners=self.align_corners)
        for tile, window in zip(tiles, fitted.unbind(-4), strict=True):
            top, left = self.rows.start(tile.row), self.columns.start(tile.column)
            down = self.rows.weight(tile.row, height, maps).unsqueeze(1)
            across = self.columns.weight(tile.column, width, maps)
            place = (..., tile.picture, slice(None), slice(top, top + height), slice(left, left + width))
            self.whole[place] += window * (down * across)
            self.filled = max(self.filled[0], top + height), max(self.filled[1], left + width)
