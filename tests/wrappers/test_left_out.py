"""Scores that a network can carry and its wrappers cannot."""

import pytest
import torch
from torch import nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.models import probe
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.wrappers.ensemble import ensemble
from oddscape.wrappers.left_out import left_out
from oddscape.wrappers.multi_scale import MultiScaleFlip
from oddscape.wrappers.odin import odin
from oddscape.wrappers.windows import SlidingWindows

QUERIES = {"mask_logits", "class_logits"}


class Masks(nn.Module):
    """Three queries, and their masks at the size of the picture."""

    def __init__(self):
        super().__init__()
        self.masks = nn.Conv2d(3, 3, 1)

    def forward(self, image):
        masks, classes = self.masks(image), torch.zeros(len(image), 3, 6)
        maps = NativeMaps(masks.repeat(1, 2, 1, 1)[:, :5], mask_logits=masks, class_logits=classes)
        return DenseOutput(maps, tuple(image.shape[-2:]))


@pytest.mark.parametrize(
    ("wrapped", "words"),
    [
        (lambda net: MultiScaleFlip(net), "mean over the picture and its mirror image"),
        (lambda net: MultiScaleFlip(net, (0.5, 1.0), flip=False), "mean over scales 0.5, 1"),
        (lambda net: SlidingWindows(net, (64, 64)), "windows of 64×64 overlapping by 25 %"),
        (lambda net: ensemble([net, Masks()]), "ensemble of 2 networks"),
        (lambda net: odin(MultiScaleFlip(net), 0.1), "mean over the picture and its mirror image"),
    ],
)
@pytest.mark.parametrize("score", ["rba", "eam"])
def test_a_score_of_masks_says_which_wrapper_leaves_them_out(wrapped, words, score):
    net = wrapped(Masks())
    assert left_out(net) == dict.fromkeys(QUERIES, words)
    with pytest.raises(OddscapeError) as error:
        Detector(net, score)
    assert str(error.value).startswith(
        f"score {score!r} does not run with this: {words}, for that leaves out mask_logits, class_logits; "
        "scores that it can carry: msp, "
    )


def test_nothing_is_left_out_of_what_no_network_gives(tiny_network):
    assert left_out(Masks()) == {}
    assert left_out(odin(Masks(), 0.1)) == {}
    net = MultiScaleFlip(tiny_network(5))
    assert left_out(net) == {}
    with pytest.raises(OddscapeError, match="'rba' needs mask_logits, class_logits, which this network does"):
        Detector(net, "rba")
    assert probe(Masks()).fields >= QUERIES
