import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import create_model

pytest.importorskip("torchvision")

MEAN, STD = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("lraspp_mobilenet_v3_large", None),
        ("deeplabv3_mobilenet_v3_large", "classifier.4"),
        ("fcn_resnet50", "classifier.4"),
    ],
)
@torch.no_grad()
def test_features_are_what_the_classifiers_last_layer_reads(name, last):
    net, image = create_model(f"torchvision:{name}", 5, void=True).eval(), torch.rand(1, 3, 61, 90)
    out = net(image)
    seen = (image - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    wanted = net.net(seen)["out"]
    assert torch.equal(torch.cat([out.native.logits, out.native.void_logits], 1), wanted)
    if last is None:
        assert out.native.features.shape[:2] == (1, 128)
    else:
        native = net.net.get_submodule(last)(out.native.features)
        resized = torch.nn.functional.interpolate(native, (61, 90), mode="bilinear", align_corners=False)
        torch.testing.assert_close(resized, wanted)


def test_auxiliary_classifiers_are_left_out_of_the_output():
    net = create_model("torchvision:fcn_resnet50", 3, aux_loss=True).eval()
    with torch.no_grad():
        assert net(torch.rand(1, 3, 32, 32)).fields == {"logits", "features"}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet18", {}, "torchvision has no segmentation network 'resnet18'; it has: .*fcn_resnet50"),
        ("fcn_resnet50", {"wide": 3}, "'torchvision:fcn_resnet50' does not take these options: .*'wide'"),
        ("fcn_resnet50", {"weights": "DEFAULT"}, "does not take these options: .*'weights'"),
    ],
)
def test_what_cannot_be_made_is_said(name, options, words):
    with pytest.raises(OddscapeError, match=words):
        create_model(f"torchvision:{name}", 5, **options)
