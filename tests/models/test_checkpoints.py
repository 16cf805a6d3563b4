import pickle

import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata, create_model, load_checkpoint, save_checkpoint


@pytest.fixture
def net():
    torch.manual_seed(0)
    return create_model("small_ladder", num_classes=3).eval()


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_saved_weights_load_again_with_what_they_say_about_themselves(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors", {"model": "small_ladder", "num_classes": "3"})
    other = create_model("small_ladder", num_classes=3)
    load_checkpoint(other, tmp_path / "w.safetensors")
    assert same(net, other)
    assert checkpoint_metadata(tmp_path / "w.safetensors")["model"] == "small_ladder"
    assert list(tmp_path.iterdir()) == [tmp_path / "w.safetensors"]


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_released_layouts_load(net, tmp_path, wrap, prefix):
    torch.save(wrap({prefix + name: tensor for name, tensor in net.state_dict().items()}), tmp_path / "w.pth")
    other = create_model("small_ladder", num_classes=3)
    load_checkpoint(other, tmp_path / "w.pth")
    assert same(net, other)


def test_another_networks_weights_are_explained(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors")
    with pytest.raises(
        OddscapeError, match=r"w.safetensors does not fit ERFNet: weights \d+ missing \(encoder"
    ):
        load_checkpoint(create_model("erfnet", num_classes=3), tmp_path / "w.safetensors")


def test_another_class_count_is_explained(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors")
    with pytest.raises(
        OddscapeError, match=r"classifier.weight: the file has \[3, 64, 1, 1\], the network \[4, "
    ):
        load_checkpoint(create_model("small_ladder", num_classes=4), tmp_path / "w.safetensors")


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code from the file ran",))


def test_a_file_never_runs_code(net, tmp_path):
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"weight": _Bomb()}))
    with pytest.raises(OddscapeError, match="not a readable checkpoint of tensors"):
        load_checkpoint(net, tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_truncated_and_missing_files_are_one_line(net, tmp_path, name):
    with pytest.raises(OddscapeError, match="no checkpoint at"):
        load_checkpoint(net, tmp_path / name)
    torch.save(net.state_dict(), tmp_path / "whole.pth")
    (tmp_path / name).write_bytes((tmp_path / "whole.pth").read_bytes()[:5000])
    with pytest.raises(OddscapeError, match="not a readable checkpoint") as caught:
        load_checkpoint(net, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_nothing_behind(net, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OddscapeError, match=r"cannot write .*w.safetensors: No space left"):
        save_checkpoint(net, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_real_erfnet_weights_fit(shared_data):
    net = create_model("erfnet", num_classes=19, void=True)
    load_checkpoint(net, shared_data / "weights" / "erfnet_city20.pth")
