"""PSPNet and DiCNet as published: the released weights' names, their output, and what the parts must keep."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.models.pspnet import PSPNet, PSPStudent, dicnet
from oddscape.scores.distillation import dicnet as dicnet_score
from oddscape.training.losses import Batch, closed_set, counts_of, loss_value, sums_of

# Name of the shapes, prefix of the made weights' seeds, part of the network that the released file fills.
RELEASED = {
    "dicnet_teacher_encoder": ("teacher_encoder.", "teacher.encoder"),
    "dicnet_teacher_decoder": ("teacher_decoder.", "teacher.decoder"),
    "dicnet_student": ("student.", "student"),
}


@pytest.fixture
def narrow():
    torch.manual_seed(0)
    return dicnet(5, width=4).eval()


@pytest.fixture(scope="module")
def reference(shared_reference):
    """The stored arrays, and what makes the weights and the picture that they were computed from."""
    spec = importlib.util.spec_from_file_location("seeded_weights", shared_reference / "seeded_weights.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    folder = shared_reference / "networks"
    shapes = json.loads((folder / "state_dict_shapes.json").read_text())
    case = json.loads((folder / "case.json").read_text())
    return SimpleNamespace(
        seeded=seeded, shapes=shapes, case=case, arrays=dict(np.load(folder / "dicnet.npz"))
    )


def ceil_eighth(size):
    return tuple(-(-side // 8) for side in size)


@pytest.mark.parametrize("released", RELEASED)
def test_names_and_shapes_are_those_of_the_released_weights(reference, released):
    with torch.device("meta"):
        part = dicnet(13).get_submodule(RELEASED[released][1])
    given = {name: list(tensor.shape) for name, tensor in part.state_dict().items()}
    assert given == reference.shapes[released]


def test_the_released_files_hold_all_weights():
    with torch.device("meta"):
        names = dicnet(13).state_dict()
    assert all(name.startswith(tuple(part for _, part in RELEASED.values())) for name in names)


@torch.no_grad()
def test_output_equals_the_published_networks(reference):
    case, seeded, net = reference.case, reference.seeded, dicnet(13).eval()
    for released, (prefix, part) in RELEASED.items():
        weights = seeded.seeded_state_dict(
            reference.shapes[released], gain=case["gain"]["dicnet"], salt=case["salt"], prefix=prefix
        )
        net.get_submodule(part).load_state_dict(weights, assign=True)
    # The stored arrays come from a normalised picture; the network normalises this one itself.
    out = net(seeded.seeded_image(*case["dicnet_size"], case["image_seed"]))
    channels, thin = case["subsampling"]["dicnet feature channels"], case["subsampling"]["score"]
    given = {
        "teacher_features": out.native.features[:, ::channels],
        "student_features": out.native.student_features[:, ::channels],
        "log_posterior": out.native.logits.log_softmax(1),
        "score": dicnet_score(out)[:, ::thin, ::thin],
    }
    assert given.keys() == reference.arrays.keys()
    for name, wanted in reference.arrays.items():
        np.testing.assert_allclose(given[name], wanted, rtol=0, atol=1e-3 * wanted.std(), err_msg=name)


@pytest.mark.parametrize("size", [(64, 96), (61, 99), (98, 33), (8, 8), (7, 5), (1, 1)])
@torch.no_grad()
def test_any_size_gives_maps_at_an_eighth_and_answers_at_the_pictures_size(narrow, size):
    out = narrow(torch.rand(2, 3, *size))
    assert out.native.logits.shape == (2, 5, *ceil_eighth(size))
    assert out.native.features.shape == (2, 32, *ceil_eighth(size))
    assert out.native.student_features.shape == out.native.features.shape
    assert out.logits.shape == (2, 5, *size)
    assert dicnet_score(out).shape == (2, *size)


@torch.no_grad()
def test_a_picture_of_any_size_is_seen_at_the_next_multiples_of_eight(narrow):
    image = torch.rand(1, 3, 61, 99)
    given = narrow(image).native
    wanted = narrow(F.interpolate(image, (64, 104), mode="bilinear")).native
    for name in ("logits", "features", "student_features"):
        torch.testing.assert_close(getattr(given, name), getattr(wanted, name))


@torch.no_grad()
def test_a_picture_is_normalised_once_and_else_left_alone(narrow):
    image = torch.rand(1, 3, 64, 96)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for net in (narrow.teacher, narrow.student):
        assert torch.equal(net.prepare(image), (image - mean) / std)


@torch.no_grad()
def test_the_classifier_reads_the_features_behind_their_relu(narrow):
    native = narrow(torch.rand(1, 3, 64, 96)).native
    assert (native.features < 0).any()
    classifier = narrow.teacher.decoder.conv_last[-1]
    torch.testing.assert_close(classifier(F.relu(native.features)), native.logits)


@torch.no_grad()
def test_features_carry_the_norms_affine(narrow):
    image = torch.rand(1, 3, 64, 96)
    before, norm = narrow(image).native.features, narrow.teacher.decoder.conv_last[1]
    norm.weight.fill_(2)
    norm.bias.fill_(3)
    torch.testing.assert_close(narrow(image).native.features, 2 * before + 3)


@torch.no_grad()
def test_the_teacher_works_once_a_picture(narrow):
    calls = []
    for part in (narrow.teacher.encoder, narrow.teacher.decoder, narrow.student.encoder):
        part.register_forward_hook(lambda module, *_: calls.append(module))
    out = narrow(torch.rand(1, 3, 32, 32))
    assert out.logits is not None
    assert dicnet_score(out) is not None
    assert calls == [narrow.teacher.encoder, narrow.teacher.decoder, narrow.student.encoder]


def test_distillation_trains_the_student_alone(narrow):
    narrow.train()
    assert not any(module.training for module in narrow.teacher.modules())
    before = {name: tensor.clone() for name, tensor in narrow.teacher.state_dict().items()}
    dicnet_score(narrow(torch.rand(4, 3, 64, 64))).mean().backward()
    assert all(weight.grad is None for weight in narrow.teacher.parameters())
    assert all(weight.grad.any() for weight in narrow.student.parameters())
    for name, tensor in narrow.teacher.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_every_weight_that_trains_is_reached(deep_supervision):
    net = PSPNet(5, deep_supervision=deep_supervision, width=4).train()
    native = net(torch.rand(4, 3, 64, 64)).native
    assert (native.auxiliary_logits is not None) == deep_supervision
    maps = [native.logits, native.auxiliary_logits] if deep_supervision else [native.logits]
    sum(logits.square().mean() for logits in maps).backward()
    for name, weight in net.named_parameters():
        reached = weight.grad is not None and bool(weight.grad.isfinite().all() and weight.grad.any())
        assert reached == weight.requires_grad, name
        assert reached == (deep_supervision or "deepsup" not in name), name


def test_deep_supervision_adds_the_branchs_cross_entropy_to_the_loss():
    torch.manual_seed(0)
    net = PSPNet(5, deep_supervision=True, width=4).train()
    labels = torch.randint(0, 6, (2, 61, 99))
    labels[labels == 5] = 255
    nowhere = torch.zeros(2, 61, 99, dtype=torch.bool)
    batch = Batch(torch.rand(2, 3, 61, 99), labels, nowhere, nowhere)
    out, terms = net(batch.image), closed_set(deep_supervision=True)
    loss = loss_value(terms, sums_of(terms, out, batch), counts_of(terms, batch))
    main, auxiliary = (
        F.cross_entropy(F.interpolate(maps, (61, 99), mode="bilinear"), labels, ignore_index=255)
        for maps in (out.native.logits, out.native.auxiliary_logits)
    )
    torch.testing.assert_close(loss, main + 0.4 * auxiliary)
    loss.backward()
    assert net.decoder.cbr_deepsup[0].weight.grad.any()
    # The branch reads the encoder's last map but one.
    torch.testing.assert_close(
        out.native.auxiliary_logits, net.decoder.auxiliary_logits(net.encoder(net.prepare(batch.image))[0])
    )


@torch.no_grad()
def test_deep_supervision_takes_no_part_outside_training():
    torch.manual_seed(0)
    net, image = PSPNet(5, deep_supervision=True, width=4).eval(), torch.rand(2, 3, 61, 99)
    calls = []
    net.decoder.cbr_deepsup.register_forward_hook(lambda *_: calls.append(True))
    assert net(image).fields == {"logits", "features"}
    assert not calls


def test_dropout_acts_on_the_classifier_in_training_alone():
    torch.manual_seed(0)
    net, image = PSPNet(5, width=4).eval(), torch.rand(2, 3, 64, 64)
    dropouts = [module for module in net.modules() if isinstance(module, nn.Dropout2d)]
    assert [dropout.p for dropout in dropouts] == [0.1]
    still = net(image).native
    dropouts[0].train()
    moved = net(image).native
    assert torch.equal(moved.features, still.features)
    assert not torch.equal(moved.logits, still.logits)


@pytest.mark.parametrize("make", [lambda: PSPNet(5, width=4), lambda: PSPStudent(width=4)])
def test_encoders_dilate_where_a_plain_network_strides(make):
    encoder = make().encoder
    three_by_three = {
        stage: [
            (conv.stride[0], conv.dilation[0])
            for conv in getattr(encoder, stage).modules()
            if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)
        ]
        for stage in ("layer1", "layer2", "layer3", "layer4")
    }
    assert set(three_by_three["layer1"]) == {(1, 1)}
    assert three_by_three["layer2"][0] == (2, 1)
    assert set(three_by_three["layer2"][1:]) == {(1, 1)}
    assert three_by_three["layer3"][0] == (1, 1)
    assert set(three_by_three["layer3"][1:]) == {(1, 2)}
    assert three_by_three["layer4"][0] == (1, 2)
    assert set(three_by_three["layer4"][1:]) == {(1, 4)}
