"""The look of town version 1 is frozen: its pictures and labels are those in ``frozen.npz``.

After a change of ``TOWN_VERSION``, ``python tests/town/test_frozen.py`` writes that file anew.
"""

from pathlib import Path

import numpy as np
import pytest

from oddscape.town import TOWN_VERSION, render_negative, render_scene

FROZEN = Path(__file__).with_name("frozen.npz")
SIZE = (48, 80)
NAMES = ("t1", "t2", "t3", "t4", "t5", "t6", "negative")


def _rendered(name):
    return render_negative(0, 3, SIZE) if name == "negative" else render_scene(name, 0, 3, SIZE)


def _blocks(image):
    """Mean colour of each block of 4 x 4 pixels."""
    height, width = SIZE
    return image.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))


def test_frozen_pictures_are_of_this_version():
    assert np.load(FROZEN)["version"] == TOWN_VERSION


@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_labels_are_as_frozen(name):
    """To the last bit on one machine; elsewhere sin, exp or a matrix inverse may round otherwise."""
    image, labels = _rendered(name)
    frozen = np.load(FROZEN)
    assert np.mean(labels == frozen[f"{name}_labels"]) > 0.998
    assert np.mean(np.abs(_blocks(image) - frozen[f"{name}_blocks"]) <= 1) > 0.99


if __name__ == "__main__":
    pinned = {"version": TOWN_VERSION}
    for each in NAMES:
        picture, raw = _rendered(each)
        pinned |= {f"{each}_labels": raw, f"{each}_blocks": _blocks(picture).round().astype(np.uint8)}
    np.savez_compressed(FROZEN, **pinned)
