import pytest

from oddscape.errors import OddscapeError
from oddscape.models import MODELS, create_model


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
