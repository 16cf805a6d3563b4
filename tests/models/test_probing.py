"""Asking a network what it gives, and what is wrong with the answer."""

import pytest
import torch
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.adapters import wrap
from oddscape.models.probing import probe


def test_every_module_keeps_its_mode():
    net = wrap(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    net.train()
    net.net[1].eval()
    probe(net)
    assert [net.training, net.net[0].training, net.net[1].training] == [True, True, False]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_probabilities_are_told_from_logits(kind):
    logits = nn.Conv2d(3, 4, 1)
    net = nn.Sequential(logits, nn.Softmax(1)).to(kind)
    with pytest.raises(OddscapeError, match=r"gives probabilities.*leave its softmax out, or take their log"):
        probe(wrap(net))
    as_logits = probe(wrap(net, logits=torch.log))
    torch.testing.assert_close(as_logits.logits, probe(wrap(logits)).logits.log_softmax(1), atol=0.05, rtol=0)


def test_a_single_class_and_even_logits_are_no_probabilities():
    assert probe(wrap(nn.Conv2d(3, 1, 1))).num_classes == 1
    even = nn.Conv2d(3, 4, 1)
    nn.init.zeros_(even.weight)
    nn.init.zeros_(even.bias)
    assert probe(wrap(even)).num_classes == 4
