"""DeepLabV3+ with WideResNet-38: the published network's names and output, and what its parts must keep."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.models.deeplab import AtrousPyramid, DeepLabWidths, DeepLabWRN38
from oddscape.models.wide_resnet import WideResNetWidths

NARROW = DeepLabWidths(
    trunk=WideResNetWidths(8, (8, 8), (8, 8), (12, 12), (8, 16), (8, 12, 16), (12, 16, 20)),
    aspp=8,
    fine=4,
    decoder=8,
)


@pytest.fixture
def narrow():
    torch.manual_seed(0)
    return DeepLabWRN38(5, outlier_head=True, widths=NARROW).eval()


@pytest.fixture(scope="module")
def reference(shared_reference):
    """The stored arrays, and what makes the weights and the picture that they were computed from."""
    spec = importlib.util.spec_from_file_location("seeded_weights", shared_reference / "seeded_weights.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    folder = shared_reference / "networks"
    shapes = json.loads((folder / "state_dict_shapes.json").read_text())["densehybrid_wrn38"]
    case = json.loads((folder / "case.json").read_text())
    arrays = dict(np.load(folder / "densehybrid_wrn38.npz"))
    return SimpleNamespace(seeded=seeded, shapes=shapes, case=case, arrays=arrays)


@pytest.mark.parametrize("outlier_head", [True, False])
def test_names_and_shapes_are_those_of_the_released_weights(reference, outlier_head):
    with torch.device("meta"):
        net = DeepLabWRN38(19, outlier_head=outlier_head)
    wanted = {
        name: shape
        for name, shape in reference.shapes.items()
        if outlier_head or not name.startswith("logits_ood.")
    }
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == wanted


@pytest.mark.slow
@torch.no_grad()
def test_output_equals_the_published_networks(reference):
    case, seeded = reference.case, reference.seeded
    gain = case["gain"]["densehybrid_wrn38"]
    net = DeepLabWRN38(19, outlier_head=True).eval()
    weights = seeded.seeded_state_dict(reference.shapes, gain=gain, salt=case["salt"])
    net.load_state_dict(weights, assign=True)
    out = net(seeded.seeded_image(*case["size"], case["image_seed"]))
    score = F.log_softmax(out.outlier_logits, 1)[:, 1] - out.logits.logsumexp(1)
    thin, thin_score = case["subsampling"]["logits"], case["subsampling"]["score"]
    given = {
        "logits": out.logits[..., ::thin, ::thin],
        "outlier_logits": out.outlier_logits[..., ::thin, ::thin],
        "score": score[..., ::thin_score, ::thin_score],
    }
    assert given.keys() == reference.arrays.keys()
    for name, wanted in reference.arrays.items():
        np.testing.assert_allclose(given[name], wanted, rtol=0, atol=1e-3 * wanted.std(), err_msg=name)


@pytest.mark.parametrize("size", [(64, 96), (61, 99), (98, 33), (8, 8), (7, 5), (1, 1)])
@torch.no_grad()
def test_any_size_gives_maps_at_half_of_it_that_keep_their_corners(narrow, size):
    out = narrow(torch.rand(2, 3, *size))
    half = tuple((side + 1) // 2 for side in size)
    assert out.native.logits.shape == (2, 5, *half)
    assert out.native.outlier_logits.shape == (2, 2, *half)
    assert out.native.features.shape == (2, NARROW.decoder, *half)
    assert out.logits.shape == (2, 5, *size)
    assert out.outlier_logits.shape == (2, 2, *size)
    corners = (slice(None), slice(None), [0, -1], [0, -1])
    torch.testing.assert_close(out.logits[corners], out.native.logits[corners])


@torch.no_grad()
def test_features_are_what_the_classifier_reads(narrow):
    native = narrow(torch.rand(1, 3, 32, 48)).native
    torch.testing.assert_close(narrow.final[-1](native.features), native.logits)


@torch.no_grad()
def test_closed_set_network_is_the_same_without_the_head(narrow):
    closed, image = DeepLabWRN38(5, widths=NARROW).eval(), torch.rand(1, 3, 40, 56)
    fit = closed.load_state_dict(narrow.state_dict(), strict=False)
    assert not fit.missing_keys
    assert all(name.startswith("logits_ood.") for name in fit.unexpected_keys)
    assert closed(image).outlier_logits is None
    torch.testing.assert_close(closed(image).logits, narrow(image).logits)


@torch.no_grad()
def test_normalises_pictures_itself(narrow):
    image = torch.rand(1, 3, 32, 48)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    wanted = narrow(image).logits
    narrow.mean.zero_()
    narrow.std.fill_(1)
    torch.testing.assert_close(narrow((image - mean) / std).logits, wanted)


@torch.no_grad()
def test_dropout_acts_in_training_alone(narrow):
    image = torch.rand(1, 3, 64, 64)
    dropouts = [module for module in narrow.modules() if isinstance(module, nn.Dropout2d)]
    assert [dropout.p for dropout in dropouts] == [0.3, 0.5]
    still = narrow(image).logits
    torch.testing.assert_close(narrow(image).logits, still, rtol=0, atol=0)
    for dropout in dropouts:
        dropout.train()
    assert not torch.equal(narrow(image).logits, still)


def test_both_losses_reach_the_whole_trunk(narrow):
    image = torch.rand(4, 3, 64, 64)
    for field in ("logits", "outlier_logits"):
        narrow.train().zero_grad()
        getattr(narrow(image), field).square().mean().backward()
        others = "logits_ood." if field == "logits" else "final."
        for name, weight in narrow.named_parameters():
            reached = weight.grad is not None and bool(weight.grad.isfinite().all() and weight.grad.any())
            assert reached != name.startswith(others), name


@torch.no_grad()
def test_pyramid_puts_the_pictures_mean_first():
    pyramid, x = AtrousPyramid(6, 4).eval(), torch.rand(2, 6, 5, 7)
    out = pyramid(x)
    assert out.shape == (2, 20, 5, 7)
    torch.testing.assert_close(out[:, :4], pyramid.img_conv(F.adaptive_avg_pool2d(x, 1)).expand(2, 4, 5, 7))
    torch.testing.assert_close(out[:, 4:8], pyramid.features[0](x))


class FullSizeMaps(nn.Module):
    """A network as it is deployed: pictures to tensors of their size."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        out = self.net(image)
        return out.logits, out.outlier_logits, out.native.features


@torch.no_grad()
def test_exported_with_dynamic_size_equals_eager_at_every_size(narrow):
    net, sides = FullSizeMaps(narrow), {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(net, (torch.rand(1, 3, 64, 96),), dynamic_shapes=(sides,)).module()
    for size in [(64, 96), (96, 64), (61, 99), (130, 37), (48, 200)]:
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(exported(image), net(image), rtol=1e-4, atol=1e-5)
