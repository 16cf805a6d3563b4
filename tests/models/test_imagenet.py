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


def norm(name, channels, counter=False):
    kinds = ("weight", "bias", "running_mean", "running_var")
    counters = {f"{name}.num_batches_tracked": torch.tensor(7)} if counter else {}
    return {f"{name}.{kind}": torch.rand(channels) for kind in kinds} | counters


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


def densenet121(layer, counter):
    """Weights as torchvision's densenet121 names them; ``layer`` writes those in dense layers."""
    state = conv("features.conv0", 64, 3, 7, 7) | norm("features.norm0", 64, counter)
    channels = 64
    for number, layers in enumerate((6, 12, 24, 16), start=1):
        for i in range(1, layers + 1):
            name = f"features.denseblock{number}.denselayer{i}."
            state |= norm(name + layer("norm", 1), channels, counter)
            state |= conv(name + layer("conv", 1), 128, channels, 1, 1)
            state |= norm(name + layer("norm", 2), 128, counter)
            state |= conv(name + layer("conv", 2), 32, 128, 3, 3)
            channels += 32
        if number < 4:
            name = f"features.transition{number}"
            state |= norm(f"{name}.norm", channels, counter)
            state |= conv(f"{name}.conv", channels // 2, channels, 1, 1)
            channels //= 2
    return state | norm("features.norm5", 1024, counter) | {"classifier.weight": torch.zeros(1000, 1024)}


def saved(state, path):
    torch.save(state, path)
    return path


def test_resnet34_starts_the_student(tmp_path):
    student, file = PSPStudent(width=4), resnet34(4)
    fit = load_imagenet(student, saved(file, tmp_path / "resnet34.pth"))
    # 36 convolutions, and 36 norms of four weights each.
    assert (len(fit.renamed), fit.missing, fit.unexpected) == (180, (), ("fc.weight", "fc.bias"))
    assert all(torch.equal(student.state_dict()[f"encoder.{n}"], w) for n, w in file.items() if n not in FC)


@pytest.mark.parametrize(("layer", "counter"), [("{}{}".format, True), ("{}.{}".format, False)])
def test_densenet121_starts_the_ladder(tmp_path, layer, counter):
    net, file = create_model("ldn121", num_classes=2), densenet121(layer, counter)
    head = net.logits.conv.weight.clone()
    fit = load_imagenet(net, saved(file, tmp_path / "densenet121.pth"))
    # 120 convolutions and 120 norms; the last norm and the classifier are beyond the trunk.
    assert (len(fit.renamed), fit.missing) == (720 if counter else 600, ())
    assert all(name.startswith(("features.norm5.", "classifier.")) for name in fit.unexpected)
    assert len(fit.unexpected) == (6 if counter else 5)
    assert len(set(fit.renamed.values())) == len(fit.renamed)
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


def test_timms_files_start_its_encoders(tmp_path):
    timm = pytest.importorskip("timm", reason="timm is not installed (the extra 'timm')")
    torch.manual_seed(0)
    file = timm.create_model("resnet10t", pretrained=False).state_dict()
    net = create_model("timm:resnet10t", num_classes=2)
    assert load_imagenet(net, saved(file, tmp_path / "resnet10t.pth")) is None
    own = net.encoder.state_dict()
    assert len(own) > 50
    assert all(torch.equal(own[name], file[name]) for name in own)
    with pytest.raises(OddscapeError, match=r"deep\.pth cannot be loaded into timm's resnet10t"):
        load_imagenet(net, saved(PSPNet(2, width=4).encoder.state_dict(), tmp_path / "deep.pth"))
