import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import create_model, save_checkpoint
from oddscape.models.timm_ladder import TimmLadder, load_timm_weights

timm = pytest.importorskip("timm")

# Stages, windowed transformers with channels last, patches that leave a rest, and wide early maps.
ENCODERS = ["test_resnet", "test_convnext", "test_efficientnet", "swin_tiny_patch4_window7_224"]


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_encoders_of_all_kinds_give_maps_at_a_quarter_for_any_size(encoder):
    small = {"depths": (1, 1, 1, 1), "embed_dim": 24} if encoder.startswith("swin") else {}
    net = TimmLadder(encoder, 5, outlier_head=True, void=True, width=8, **small).eval()
    for size in ((61, 90), (33, 17)):
        out = net(torch.rand(1, 3, *size))
        assert out.native.logits.shape == (1, 5, -(-size[0] // 4), -(-size[1] // 4))
        assert out.logits.shape == (1, 5, *size)
        assert out.native.features.shape[1] == 8
        assert out.void_logits.shape == (1, 1, *size)
        assert out.outlier_logits.shape == (1, 2, *size)


@torch.no_grad()
def test_both_heads_read_the_features_and_pictures_are_normalised_for_the_encoder():
    name = "test_resnet"
    net, image = TimmLadder(name, 5, outlier_head=True, width=8).eval(), torch.rand(1, 3, 64, 64)
    wanted = timm.get_pretrained_cfg(name)
    assert net.mean.flatten().tolist() == pytest.approx(wanted.mean)
    assert net.std.flatten().tolist() == pytest.approx(wanted.std)
    out = net(image).native
    assert torch.equal(out.logits, net.classifier(out.features.relu()))
    assert torch.equal(out.outlier_logits, net.outlier_head(out.features.relu()))
    seen = []
    net.encoder.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    net(image)
    assert torch.equal(seen[0], (image - net.mean) / net.std)


@pytest.fixture
def weights(tmp_path):
    """A file of weights for a whole timm classifier."""
    torch.manual_seed(1)
    save_checkpoint(timm.create_model("test_resnet"), tmp_path / "imagenet.safetensors")
    return tmp_path / "imagenet.safetensors"


@torch.no_grad()
def test_weights_of_a_classifier_go_into_the_encoder(weights):
    net, image = TimmLadder("test_resnet", 5, width=8).eval(), torch.rand(1, 3, 64, 64)
    decoder = net.last[0].weight.clone()
    load_timm_weights(net, weights)
    torch.manual_seed(1)
    classifier = timm.create_model("test_resnet").eval()
    torch.testing.assert_close(net.encoder(image)[-1], classifier.forward_features(image))
    assert torch.equal(net.last[0].weight, decoder)


def test_weights_that_do_not_fit_or_come_are_said(weights, monkeypatch):
    net = TimmLadder("test_efficientnet", 5, width=8)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    with pytest.raises(
        OddscapeError, match=r"imagenet.safetensors cannot be loaded into timm's test_eff.*Missing"
    ):
        load_timm_weights(net, weights)
    with pytest.raises(OddscapeError, match="no checkpoint at"):
        load_timm_weights(net, weights.with_name("nothing.pth"))

    def offline(*_arguments, **_options):
        raise OSError("no way\nout")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        OddscapeError, match=r"timm's weights cannot be loaded into timm's test_.*: no way out"
    ):
        load_timm_weights(net)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnt18", {}, "timm has no model 'resnt18'; among those it has: resnet18"),
        (
            "vit_tiny_patch16_224",
            {},
            "vit_tiny_patch16_224 gives maps at strides 16, 16, 16; a ladder needs two",
        ),
        ("test_resnet", {"wide": 3}, "timm's test_resnet does not take these options: .*'wide'"),
        ("test_resnet", {"pretrained": True}, "does not take these options: .*'pretrained'"),
    ],
)
def test_what_cannot_be_made_is_said(name, options, words):
    with pytest.raises(OddscapeError, match=words):
        create_model(f"timm:{name}", 5, **options)
