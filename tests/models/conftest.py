"""What the tests of several networks share."""

import pytest
import torch

from oddscape.training.losses import Batch, counts_of, densehybrid, loss_value, sums_of


@pytest.fixture
def densehybrid_loss():
    """DenseHybrid's loss of a network for pictures of which a square is pasted; classes are drawn."""

    def loss(net, image):
        out = net(image)
        pasted = torch.zeros(len(image), *image.shape[-2:], dtype=torch.bool)
        pasted[:, 8:24, 8:24] = True
        labels = torch.randint(0, out.num_classes, pasted.shape).masked_fill(pasted, 255)
        batch, terms = Batch(image, labels, pasted, torch.zeros_like(pasted)), densehybrid()
        return loss_value(terms, sums_of(terms, out, batch), counts_of(terms, batch))

    return loss
