"""ImageNet weights under the names of the public files, for trunks made small where they can be."""

import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.models.deeplab import DeepLabWidths, DeepLabWRN38
from oddscape.models.imagenet import load_imagenet
from oddscape.models.pspnet import PSPNet, PSPStudent, dicnet
from oddscape.models.wide_resnet import WideResNetWidths

WIDTHS = DeepLabWidths(WideResNetWidths(4, (4, 4), (4, 4), (4, 4), (4, 4), (4, 4, 4), (4, 4, 4)), 4, 4, 4)
FC = {"fc.weight": torch.zeros(1000, 8), "fc.bias": torch.zeros(1000)}


def norm(name, channels):
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": torch.rand(channels) for kind in kinds}


def conv(name, *shape):
    return {f"{name}.weight": torch.randn(shape)}


def resnet34(width):
    """Weights as torchvision's resnet34 names them, without counters."""
    state = conv("conv1", width, 3, 7, 7) | norm("bn1", width) | FC
    before = width
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        channels = width << (stage - 1)
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            for number, given in ((1, before), (2, channels)):
                state |= conv(f"{name}.conv{number}", channels, given, 3, 3)
                state |= norm(f"{name}.bn{number}", channels)
            if before != channels:
                state |= conv(f"{name}.downsample.0", channels, before, 1, 1)
                state |= norm(f"{name}.downsample.1", channels)
            before = channels
    return state


def densenet121(layer):
    """Weights as torchvision's densenet121 names them; ``layer`` writes those in dense layers."""
    state = conv("features.conv0", 64, 3, 7, 7) | norm("features.norm0", 64)
    channels = 64
    for number, layers in enumerate((6, 12, 24, 16), start=1):
        for i in range(1, layers + 1):
            name = f"features.denseblock{number}.denselayer{i}."
            state |= norm(name + layer("norm", 1), channels) | conv(
                name + layer("conv", 1), 128, channels, 1, 1
            )
            state |= norm(name + layer("norm", 2), 128) | conv(name + layer("conv", 2), 32, 128, 3, 3)
            channels += 32
        if number < 4:
            name = f"features.transition{number}"
            state |= norm(f"{name}.norm", channels) | conv(f"{name}.conv", channels // 2, channels, 1, 1)
            channels //= 2
    return state | norm("features.norm5", 1024) | {"classifier.weight": torch.zeros(1000, 1024)}


def saved(state, path):
    torch.save(state, path)
    return path


def test_resnet34_starts_the_student(tmp_path):
    student, file = PSPStudent(width=4), resnet34(4)
    fit = load_imagenet(student, saved(file, tmp_path / "resnet34.pth"))
    # 36 convolutions, and 36 norms of four weights each.
    assert (len(fit.renamed), fit.missing, fit.unexpected) == (180, (), ("fc.weight", "fc.bias"))
    assert all(torch.equal(student.state_dict()[f"encoder.{n}"], w) for n, w in file.items() if n not in FC)


@pytest.mark.parametrize("layer", ["{}{}".format, "{}.{}".format])
def test_densenet121_starts_the_ladder(tmp_path, layer):
    net, file = create_model("ldn121", num_classes=2), densenet121(layer)
    head = net.logits.conv.weight.clone()
    fit = load_imagenet(net, saved(file, tmp_path / "densenet121.pth"))
    assert (len(fit.renamed), len(fit.missing), len(fit.unexpected)) == (600, 0, 5)
    last = f"features.denseblock4.denselayer16.{layer('conv', 2)}.weight"
    assert torch.equal(net.backbone.features["denseblock4"].denselayer16.conv2.weight, file[last])
    assert torch.equal(net.logits.conv.weight, head)


def test_wider_resnet38_starts_the_deeplab(tmp_path):
    torch.manual_seed(0)
    source, net = (DeepLabWRN38(2, widths=WIDTHS) for _ in range(2))
    trunk = {name: weight for name, weight in source.state_dict().items() if name.startswith("mod")}
    beside = {"bn_out.0.weight": torch.zeros(4), "classifier.fc.weight": torch.zeros(1000, 4)}
    wrapped = {"state_dict": {f"module.{name}": weight for name, weight in (trunk | beside).items()}}
    fit = load_imagenet(net, saved(wrapped, tmp_path / "wider_resnet38.pth.tar"))
    assert (len(fit.renamed), fit.missing, fit.unexpected) == (len(trunk), (), tuple(beside))
    assert all(torch.equal(net.state_dict()[name], weight) for name, weight in trunk.items())


def test_the_deep_stem_starts_the_teacher_and_torchvisions_stem_does_not(tmp_path):
    file = dict(PSPNet(2, width=4).encoder.state_dict()) | FC
    net = PSPNet(2, width=4)
    assert len(load_imagenet(net, saved(file, tmp_path / "deep.pth")).renamed) == 330
    assert torch.equal(net.encoder.conv3.weight, file["conv3.weight"])
    plain = {
        name: weight for name, weight in file.items() if not name.startswith(("conv2", "conv3", "bn2", "bn3"))
    }
    plain["conv1.weight"] = torch.zeros(4, 3, 7, 7)
    with pytest.raises(
        OddscapeError,
        match=r"plain.pth does not fit the trunk of PSPNet: weights 10 missing \(encoder.conv2.weight, .*\)"
        r"; 1 of another shape \(encoder.conv1.weight\); it starts from imagenet-resnet50-deep-stem",
    ):
        load_imagenet(net, saved(plain, tmp_path / "plain.pth"))
    assert torch.equal(net.encoder.conv1.weight, file["conv1.weight"])


def test_networks_without_a_trunk_of_their_own_are_named(tmp_path):
    with pytest.raises(
        OddscapeError, match="no ImageNet weights are known for ERFNet; there are for LadderDense"
    ):
        load_imagenet(create_model("erfnet", num_classes=2), tmp_path / "none.pth")
    with pytest.raises(OddscapeError, match=r"give its \.student or its \.teacher"):
        load_imagenet(dicnet(2, width=4), tmp_path / "none.pth")
