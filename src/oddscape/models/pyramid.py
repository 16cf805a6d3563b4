"""Average pooling over a coarse grid and back, the context of pyramid networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def averaging_matrix(cells: int, length: int, like: Tensor, axis: int | None = None) -> Tensor:
    """The [cells, length] matrix that averages places into cells, as ``adaptive_avg_pool`` does.

    Cell i covers the places ⌊i·length/cells⌋ to ⌈(i+1)·length/cells⌉. As a matrix made from the sizes, and
    not as the stock operator, it stays right when the network is exported with dynamic sizes.

    Args:
        cells: number of cells.
        length: number of places.
        like: a tensor of the matrix' dtype and device.
        axis: length of the cells' axis where it is longer than the cells; what is beyond them is zero.
    """
    place = torch.arange(length, device=like.device)
    cell = torch.arange(axis or cells, device=like.device).unsqueeze(1)
    start = torch.div(cell * length, cells, rounding_mode="floor")
    end = torch.div((cell + 1) * length + cells - 1, cells, rounding_mode="floor")
    inside = ((place >= start) & (place < end)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True).clamp(min=1)


def interpolating_matrix(length: int, cells: int, like: Tensor, axis: int | None = None) -> Tensor:
    """The [length, cells] matrix that spreads cells over places, linearly between the cells' middles.

    What ``interpolate(…, align_corners=False)`` does: place x lies at (x + ½) · cells / length − ½ among the
    cells, and takes from each as much as it is nearer than one cell. Arguments as of ``averaging_matrix``.
    """
    place = torch.arange(length, device=like.device).unsqueeze(1)
    cell = torch.arange(axis or cells, device=like.device)
    position = ((place + 0.5) * cells / length - 0.5).clamp(0, cells - 1)
    return (1 - (position - cell).abs()).clamp(min=0).to(like.dtype)


def pool_to_grid(x: Tensor, grid: tuple[int, int], axis: int | None = None) -> Tensor:
    """Average [N, C, h, w] over a grid of (rows, columns) cells, equal to ``adaptive_avg_pool2d``.

    Args:
        x: the map.
        grid: rows and columns.
        axis: number of columns to return where more are wanted; what is beyond the grid is zero.
    """
    rows = averaging_matrix(grid[0], x.shape[-2], x)
    columns = averaging_matrix(grid[1], x.shape[-1], x, axis)
    return rows @ (x @ columns.T)


def spread_from_grid(x: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Spread a grid's cells [N, C, rows, columns] over ``size`` = (h, w), equal to bilinear ``interpolate``.

    Columns of ``x`` beyond the grid count nothing.
    """
    rows = interpolating_matrix(size[0], grid[0], x)
    columns = interpolating_matrix(size[1], grid[1], x, x.shape[-1])
    return rows @ x @ columns.T


def square_cell_grid(rows: int, size: tuple[int, int]) -> tuple[int, int]:
    """The grid of that many rows whose cells are nearest to square on a map of ``size`` = (h, w).

    Its columns are rows · w / h, rounded half to even, and at least one. They are computed from whole
    numbers without a branch, so that they stay right when the network is exported with dynamic sizes.
    """
    height, width = size
    numerator, denominator = 2 * rows * width + height, 2 * height
    half_down, half_up = (numerator - 1) // denominator, numerator // denominator
    columns = half_down + (half_up - half_down) * (half_down % 2)
    at_least_one: Callable[[int, int], int] = torch.sym_max
    return rows, at_least_one(1, columns)


class PyramidPooling(nn.Module):
    """Concatenate a map with its averages over several grids, each through a 1×1 convolution.

    Args:
        in_channels: channels of the map.
        level_channels: channels of each level.
        out_channels: channels after the mixing 1×1 convolution.
        grids: (rows, columns) of each level.
    """

    def __init__(
        self, in_channels: int, level_channels: int, out_channels: int, grids: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        self.grids = grids
        self.levels = nn.ModuleList(nn.Conv2d(in_channels, level_channels, 1) for _ in grids)
        self.mix = nn.Sequential(
            nn.Conv2d(in_channels + len(grids) * level_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h, w]."""
        levels = [
            F.interpolate(F.relu(conv(pool_to_grid(x, grid))), x.shape[-2:], mode="bilinear")
            for grid, conv in zip(self.grids, self.levels, strict=True)
        ]
        mixed: Tensor = self.mix(torch.cat([x, *levels], 1))
        return mixed
