import pytest

from oddscape.errors import OddscapeError
from oddscape.models import MODELS, create_model, probe
from oddscape.models.outlier_head import NetworkWithOutlierHead


def test_unknown_origins_are_said_with_the_known_ones():
    known = "known: timm, torchvision, smp, transformers, and FILE.py:FUNCTION"
    with pytest.raises(OddscapeError, match=f"unknown origin 'tim' of model 'tim:resnet18'; {known}"):
        create_model("tim:resnet18", 5)
    with pytest.raises(
        OddscapeError, match=r"unknown model 'resnet18'; known: .*; and of other origins, as ORIG"
    ):
        create_model("resnet18", 5)


@pytest.mark.parametrize("name", [*MODELS, "timm:resnet18", "torchvision:fcn_resnet50", "smp:Unet/resnet18"])
def test_most_networks_need_the_number_of_classes(name):
    with pytest.raises(OddscapeError, match=f"model '{name}' needs num_classes, the number of known classes"):
        create_model(name)


def test_options_that_an_origin_does_not_take_are_said():
    with pytest.raises(OddscapeError, match=r"'transformers:x' does not take these options: .*'wide'"):
        create_model("transformers:x", wide=True)


@pytest.mark.parametrize("num_classes", [0, -3, 2.5, "19"])
@pytest.mark.parametrize("name", ["small_ladder", "timm:resnet18", "net.py:make"])
def test_a_number_of_classes_that_is_none_is_said(name, num_classes):
    with pytest.raises(
        OddscapeError, match=f"^num_classes {num_classes!r}: expected a number of known classes"
    ):
        create_model(name, num_classes)


@pytest.mark.parametrize(
    ("name", "options", "layer"),
    [
        ("erfnet", {"outlier_head": True}, None),
        ("erfnet", {"outlier_head_on": "encoder.layers.14"}, "encoder.layers.14"),
        ("pspnet", {"outlier_head": True, "width": 4}, None),
    ],
)
def test_a_network_without_an_outlier_head_is_given_one(name, options, layer):
    net = create_model(name, 5, **options)
    assert isinstance(net, NetworkWithOutlierHead)
    assert net.layer == layer
    assert {"logits", "outlier_logits"} <= set(probe(net).fields)


@pytest.mark.parametrize("name", ["small_ladder", "densehybrid_small_ladder"])
def test_a_network_with_an_outlier_head_of_its_own_keeps_it(name):
    net = create_model(name, 5, outlier_head=True)
    assert not isinstance(net, NetworkWithOutlierHead)
    assert "outlier_logits" in probe(net).fields
    with pytest.raises(OddscapeError, match=r"does not take these options: .*'outlier_head_on'"):
        create_model(name, 5, outlier_head=True, outlier_head_on="trunk")


def test_no_head_and_an_unknown_layer_are_what_they_say():
    assert "outlier_logits" not in probe(create_model("erfnet", 5, outlier_head=False)).fields
    with pytest.raises(
        OddscapeError, match=r"ERFNet has no layer 'encoder\.layer\.14'; it has, among others"
    ):
        create_model("erfnet", 5, outlier_head_on="encoder.layer.14")
