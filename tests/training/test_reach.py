"""Which losses reach all that is trained."""

import pytest
import torch

from oddscape.models import create_model
from oddscape.training.losses import closed_set, densehybrid
from oddscape.training.reach import reaches_all


@pytest.mark.parametrize(
    ("model", "terms", "whole"),
    [
        ("small_ladder", closed_set(), True),
        ("densehybrid_small_ladder", densehybrid(), True),
        ("densehybrid_small_ladder", closed_set(), False),
    ],
)
def test_a_head_that_the_loss_does_not_read_is_not_reached(model, terms, whole):
    net = create_model(model, 5)
    assert reaches_all(net, terms) is whole
    for name, weight in net.named_parameters():
        weight.requires_grad_(not name.startswith("outlier_head."))
    assert reaches_all(net, closed_set())


def test_the_network_is_afterwards_as_it_was():
    net = create_model("small_ladder", 5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert reaches_all(net, closed_set())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(weight.grad is None for weight in net.parameters())
    assert all(module.training for module in net.modules())
