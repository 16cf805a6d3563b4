"""Average pooling over a coarse grid and back, the context of pyramid networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def averaging_matrix(cells: int, length: int, like: Tensor) -> Tensor:
    """The [cells, length] matrix that averages places into cells, as ``adaptive_avg_pool`` does.

    Cell i covers the places ⌊i·length/cells⌋ to ⌈(i+1)·length/cells⌉. As a matrix made from the sizes, and
    not as the stock operator, it stays right when the network is exported with dynamic sizes.
    """
    place = torch.arange(length, device=like.device)
    cell = torch.arange(cells, device=like.device).unsqueeze(1)
    start = torch.div(cell * length, cells, rounding_mode="floor")
    end = torch.div((cell + 1) * length + cells - 1, cells, rounding_mode="floor")
    inside = ((place >= start) & (place < end)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def pool_to_grid(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average [N, C, h, w] over a grid of (rows, columns) cells, equal to ``adaptive_avg_pool2d``."""
    rows = averaging_matrix(grid[0], x.shape[-2], x)
    columns = averaging_matrix(grid[1], x.shape[-1], x)
    return rows @ x @ columns.T


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
