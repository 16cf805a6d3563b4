import pytest
import torch
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.models.layers import LayerRecorder, layer_named


def net_of(*layers):
    return nn.Sequential(*layers)


def test_layers_have_dotted_names():
    net = net_of(nn.Conv2d(3, 4, 1), net_of(nn.ReLU()))
    assert layer_named(net, "1.0") is net[1][0]
    with pytest.raises(OddscapeError, match=r"Sequential has no layer '2'; it has, among others: 0, 1"):
        layer_named(net, "2")


def test_the_last_of_several_maps_is_given_and_what_follows_in_place_is_done():
    conv = nn.Conv2d(3, 3, 1)
    net, image = net_of(conv, conv, nn.ReLU(inplace=True)), torch.randn(1, 3, 4, 4)
    returned, maps = LayerRecorder(net, "0").run(net, image)
    assert torch.equal(maps, returned)
    assert torch.equal(maps, conv(conv(image)).relu())


def test_nothing_is_kept_at_other_times_or_after_a_failure():
    net = net_of(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1))
    recorder = LayerRecorder(net, "0")
    net[0](torch.rand(1, 3, 4, 4))
    assert recorder.given is None
    with pytest.raises(RuntimeError):
        recorder.run(net, torch.rand(1, 3, 4, 4))
    assert recorder.given is None
    assert not recorder.recording


def test_layers_that_give_no_maps_are_said():
    net = net_of(nn.Flatten(2))
    with pytest.raises(
        OddscapeError, match=r"layer '0' of Sequential gives shape \[1, 3, 16\]; expected maps"
    ):
        LayerRecorder(net, "0").run(net, torch.rand(1, 3, 4, 4))
    with pytest.raises(OddscapeError, match="layer '0' of Sequential does not run when the network does"):
        LayerRecorder(net, "0").run(nn.Identity(), torch.rand(1, 3, 4, 4))
