"""Made negatives: full of segments, and no kin of the anomalies."""

import ast
from pathlib import Path

import numpy as np
import pytest

import oddscape.town
from oddscape.town import render_negative

SIZE = (90, 160)
TOWN = Path(oddscape.town.__file__).parent
GENERAL = {"__future__", "collections", "typing", "colorsys", "math", "numpy", "PIL", "scipy"}


def _imported(module: str) -> set[str]:
    nodes = ast.walk(ast.parse((TOWN / f"{module}.py").read_text()))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def _kin(module: str) -> set[str]:
    """The town's modules that ``module`` imports, directly or through others, and itself."""
    found, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {
            path.removeprefix("oddscape.town.") for path in _imported(name) if "oddscape.town." in path
        } - found
    return found


def test_anomalies_and_negatives_share_no_module():
    assert _kin("anomalies").isdisjoint(_kin("negatives"))


def test_negatives_import_nothing_of_the_package():
    assert {path.split(".")[0] for path in _imported("negatives")} <= GENERAL


@pytest.mark.parametrize("index", range(6))
def test_all_pixels_belong_to_one_of_at_least_six_segments(index):
    image, ids = render_negative(1, index, SIZE)
    assert image.shape == (*SIZE, 3)
    assert ids.shape == SIZE
    assert image.dtype == ids.dtype == np.uint8
    assert ids.min() >= 1
    assert ids.max() <= 150
    assert len(np.unique(ids)) >= 6


def test_same_seed_same_pixels():
    first, second = render_negative(1, 5, SIZE), render_negative(1, 5, SIZE)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (render_negative(2, 5, SIZE)[0] != first[0]).any()


@pytest.mark.parametrize("size", [(16, 16), (33, 77), (200, 90)])
def test_any_size(size):
    image, ids = render_negative(0, 0, size)
    assert image.shape == (*size, 3)
    assert ids.min() >= 1
