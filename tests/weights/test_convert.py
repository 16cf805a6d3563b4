"""Released files become safetensors that say what they hold and make their network again."""

import hashlib
import json

import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import MODELS, checkpoint_metadata, create_model, load_checkpoint
from oddscape.models.imagenet import load_imagenet
from oddscape.models.pspnet import PSPNet, PSPStudent, dicnet
from oddscape.weights.convert import Origin, convert, convert_imagenet, origin_of


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@pytest.fixture
def released(tmp_path):
    """ERFNet for two classes and void, in the layout and under the name of its released file."""
    net = create_model("erfnet", num_classes=2, void=True)
    path = tmp_path / "erfnet_pretrained.pth"
    torch.save({"state_dict": {f"module.{n}": w for n, w in net.state_dict().items()}}, path)
    return net, path


def test_a_released_file_says_what_it_is(released, tmp_path):
    net, path = released
    metadata = convert(tmp_path / "out.safetensors", "erfnet", 2, path, void=True)
    assert metadata == checkpoint_metadata(tmp_path / "out.safetensors")
    assert metadata == {
        "model": "erfnet",
        "num_classes": "2",
        "model_options": '{"void": true}',
        "source": "https://github.com/Eromera/erfnet_pytorch/raw/master/trained_models/erfnet_pretrained.pth",
        "licence": "CC BY-NC 4.0",
        "sha256": f"{sha256(path)}  erfnet_pretrained.pth",
    }
    made = create_model(metadata["model"], 2, **json.loads(metadata["model_options"]))
    load_checkpoint(made, tmp_path / "out.safetensors")
    assert same(net, made)


def test_an_origin_and_classes_of_ones_own(released, tmp_path):
    _, path = released
    origin = Origin("a friend", "CC0", ("road", "sky"))
    metadata = convert(tmp_path / "out.safetensors", "erfnet", 2, path, void=True, origin=origin)
    assert (metadata["source"], metadata["licence"]) == ("a friend", "CC0")
    assert json.loads(metadata["classes"]) == ["road", "sky"]
    with pytest.raises(OddscapeError, match="1 names of classes for 2 classes"):
        convert(tmp_path / "a.safetensors", "erfnet", 2, path, void=True, origin=Origin(classes=("road",)))
    assert origin_of(tmp_path / "mine.pth") == Origin()


def test_what_does_not_fit_is_not_written(released, tmp_path):
    _, path = released
    with pytest.raises(OddscapeError, match=r"it is for 3 classes, the network for 2 \(void counted\)"):
        convert(tmp_path / "out.safetensors", "erfnet", 2, path)
    assert not (tmp_path / "out.safetensors").exists()


def test_three_files_become_one(monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "dicnet", lambda num_classes: dicnet(num_classes, width=4))
    net = create_model("dicnet", 3)
    parts = {
        "teacher_encoder": net.teacher.encoder,
        "teacher_decoder": net.teacher.decoder,
        "student": net.student,
    }
    files = {role: tmp_path / f"{role}.pth" for role in parts}
    for role, part in parts.items():
        torch.save(part.state_dict(), files[role])
    metadata = convert(tmp_path / "out.safetensors", "dicnet", 3, **files)
    assert metadata["sha256"] == ", ".join(f"{sha256(file)}  {file.name}" for file in files.values())
    other = create_model("dicnet", 3)
    load_checkpoint(other, tmp_path / "out.safetensors")
    assert same(net, other)


def test_imagenet_weights_keep_their_names_and_lose_their_classifier(monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "dicnet", lambda num_classes: dicnet(num_classes, width=4))
    source, path = PSPStudent(width=4), tmp_path / "resnet34-b627a593.pth"
    torch.save(source.encoder.state_dict() | {"fc.bias": torch.zeros(1000)}, path)
    metadata = convert_imagenet(tmp_path / "out.safetensors", "dicnet", path)
    assert metadata == checkpoint_metadata(tmp_path / "out.safetensors")
    assert metadata["source"] == "https://download.pytorch.org/models/resnet34-b627a593.pth"
    assert (metadata["trunk_of"], metadata["loaded"], metadata["unused"]) == ("dicnet", "216", "1")
    student = PSPStudent(width=4)
    assert load_imagenet(student, tmp_path / "out.safetensors").unexpected == ()
    assert same(source.encoder, student.encoder)
    with pytest.raises(OddscapeError, match="does not fit the trunk of PSPNet"):
        load_imagenet(PSPNet(2, width=4), path)
