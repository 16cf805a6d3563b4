"""What the tests of several wrappers share."""

import numpy as np
import pytest
import torch

from oddscape.inference import run_network
from oddscape.scores import SCORES


@pytest.fixture
def scored_by_bands():
    """Scores of a picture by the fused path, having made sure that they are those of the whole output."""

    def scored(net, *names):
        image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
        given = run_network(net, image, {name: SCORES[name] for name in names}).scores
        whole = net(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
        for name in names:
            wanted = SCORES[name](whole).detach()
            torch.testing.assert_close(given[name].clone(), wanted, rtol=1e-4, atol=1e-5)
        return given

    return scored
