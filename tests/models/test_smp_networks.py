import pytest
import torch
import torch.nn.functional as F

from oddscape.errors import OddscapeError
from oddscape.models import create_model

pytest.importorskip("segmentation_models_pytorch")

MEAN, STD = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("architecture", "multiple"), [("Unet", 1), ("FPN", 32), ("DeepLabV3Plus", 16), ("UPerNet", 32)]
)
@torch.no_grad()
def test_features_are_the_decoders_and_sides_may_be_any(architecture, multiple):
    net = create_model(f"smp:{architecture}/resnet18", 5, void=True).eval()
    image = torch.rand(1, 3, 61, 90)
    out = net(image)
    seen = (image - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    padded = F.pad(seen, (0, -90 % multiple, 0, -61 % multiple), mode="replicate")
    features = net.net.decoder(net.net.encoder(padded))
    logits = net.net.segmentation_head(features)[..., :61, :90]
    assert torch.equal(torch.cat([out.native.logits, out.native.void_logits], 1), logits)
    rows, columns = out.native.features.shape[-2:]
    assert torch.equal(out.native.features, features[..., :rows, :columns])
    stride = padded.shape[-1] // features.shape[-1]
    assert (rows, columns) == (-(-61 // stride), -(-90 // stride))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Une/resnet18", {}, "has no architecture 'Une'; it has: Unet, UnetPlusPlus"),
        (
            "Unet",
            {},
            "has no encoder ''; among those it has: .*expected ARCHITECTURE/ENCODER, as in Unet/resnet18",
        ),
        ("unet/resnt18", {}, "has no encoder 'resnt18'; among those it has: resnet18, .*timm's as tu-NAME"),
        ("Unet/tu-nope", {}, "segmentation_models.pytorch cannot make Unet/tu-nope: Unknown model"),
        ("Unet/resnet18", {"wide": 3}, "Unet does not take wide; it takes: encoder_depth, .*activation"),
        ("Unet/resnet18", {"encoder_weights": "imagenet"}, "Unet does not take encoder_weights; it takes"),
    ],
)
def test_what_cannot_be_made_is_said(name, options, words):
    with pytest.raises(OddscapeError, match=words):
        create_model(f"smp:{name}", 5, **options)
