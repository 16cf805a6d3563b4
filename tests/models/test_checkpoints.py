import pickle
import re

import numpy as np
import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata, create_model, load_checkpoint, save_checkpoint
from oddscape.models.adapters import wrap
from oddscape.models.pspnet import PSPNet, dicnet


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


@pytest.mark.parametrize("prefix", ["model.", "net.", "module.model.", "model.segmentor."])
def test_what_other_software_puts_before_every_name_is_left_out(net, tmp_path, prefix):
    state = {prefix + name: weight for name, weight in net.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3, "global_step": 100}, tmp_path / "w.ckpt")
    for other in (create_model("small_ladder", num_classes=3), wrap(create_model("small_ladder", 3))):
        load_checkpoint(other, tmp_path / "w.ckpt")
        assert same(net, other)
    hybrid = create_model("densehybrid_small_ladder", num_classes=3)
    load_checkpoint(hybrid, tmp_path / "w.ckpt", may_miss=("outlier_head.",))
    assert torch.equal(hybrid.classifier.weight, net.classifier.weight)
    assert "it is for 3 classes, the network for 4" in fails(
        create_model("small_ladder", num_classes=4), tmp_path / "w.ckpt"
    )


def test_a_name_without_what_stands_before_the_others_is_refused(net, tmp_path):
    state = {f"model.{name}": weight for name, weight in net.state_dict().items()}
    for beside in ("model.criterion.weight", "criterion.weight"):
        torch.save({"state_dict": state | {beside: torch.ones(3)}}, tmp_path / "w.ckpt")
        message = fails(create_model("small_ladder", num_classes=3), tmp_path / "w.ckpt")
        assert "w.ckpt does not fit SmallLadder: the file looks like no known network; weights " in message
        assert "unexpected (model." in message


def fails(net, *args, **files):
    """The one line that loading ends in, with the network left as it was."""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(OddscapeError) as caught:
        load_checkpoint(net, *args, **files)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_networks_weights_are_explained(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors")
    message = fails(create_model("erfnet", num_classes=3), tmp_path / "w.safetensors")
    assert re.search(
        r"w.safetensors does not fit ERFNet: the file looks like small_ladder for 3 classes; "
        r"weights \d+ missing \(encoder[^)]*, …\); \d+ unexpected \(.*, …\)$",
        message,
    )


def test_a_missing_head_is_named(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors")
    hybrid = create_model("densehybrid_small_ladder", num_classes=3)
    assert fails(hybrid, tmp_path / "w.safetensors").endswith(
        "w.safetensors does not fit SmallLadder: the file looks like small_ladder for 3 classes; "
        "weights 2 missing (outlier_head.weight, outlier_head.bias)"
    )
    load_checkpoint(hybrid, tmp_path / "w.safetensors", may_miss=("outlier_head.",))
    assert torch.equal(hybrid.classifier.weight, net.classifier.weight)


def test_another_class_count_is_named(net, tmp_path):
    save_checkpoint(net, tmp_path / "w.safetensors")
    assert fails(create_model("small_ladder", num_classes=4), tmp_path / "w.safetensors").endswith(
        "w.safetensors does not fit SmallLadder: it is for 3 classes, the network for 4 (void counted); "
        "weights 2 of another shape ("
        "classifier.weight: the file has [3, 64, 1, 1], the network [4, 64, 1, 1], "
        "classifier.bias: the file has [3], the network [4])"
    )


def test_weights_of_nothing_known(net, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "w.pth")
    assert "the file looks like no known network; weights " in fails(net, tmp_path / "w.pth")


def test_old_files_lack_the_counters_of_batch_norms(net, tmp_path):
    state = {name: tensor for name, tensor in net.state_dict().items() if "num_batches" not in name}
    assert len(state) < len(net.state_dict())
    torch.save(state, tmp_path / "w.pth")
    other = create_model("small_ladder", num_classes=3)
    load_checkpoint(other, tmp_path / "w.pth")
    assert torch.equal(other.classifier.weight, net.classifier.weight)


def test_numpy_figures_beside_the_weights_are_left_unread(net, tmp_path):
    figures = {"mean_iu": np.float64(0.8), "iou": np.arange(3.0), "epoch": 3}
    torch.save({"state_dict": net.state_dict(), **figures}, tmp_path / "w.pth")
    other = create_model("small_ladder", num_classes=3)
    load_checkpoint(other, tmp_path / "w.pth")
    assert same(net, other)


@pytest.fixture
def released_parts(tmp_path):
    """A small DiCNet, and the three files it is released in."""
    torch.manual_seed(1)
    whole = dicnet(3, width=4)
    parts = {
        "teacher_encoder": whole.teacher.encoder,
        "teacher_decoder": whole.teacher.decoder,
        "student": whole.student,
    }
    files = {role: tmp_path / f"{role}.pth" for role in parts}
    for role, prefix in zip(parts, ("", "", "module."), strict=True):
        torch.save({prefix + name: weight for name, weight in parts[role].state_dict().items()}, files[role])
    return whole, files


def test_a_dicnet_is_read_from_three_files_and_a_teacher_from_two(released_parts):
    whole, files = released_parts
    other = dicnet(3, width=4)
    load_checkpoint(other, **files)
    assert same(whole, other)
    teacher = PSPNet(3, width=4)
    load_checkpoint(teacher, **{role: files[role] for role in ("teacher_encoder", "teacher_decoder")})
    assert same(whole.teacher, teacher)


def test_files_for_other_parts_are_refused(net, released_parts):
    whole, files = released_parts
    everything = (
        "DiCNet takes its weights from one file, or teacher_encoder, teacher_decoder, student; given: "
    )
    assert fails(whole, student=files["student"]) == f"{everything}student"
    assert fails(whole) == f"{everything}none"
    one = files["student"]
    assert fails(whole, one, **files).endswith("given: one file, teacher_encoder, teacher_decoder, student")
    assert fails(net, student=one) == "SmallLadder takes its weights from one file; given: student"


def test_nothing_is_loaded_unless_every_part_fits(released_parts):
    _, files = released_parts
    net = dicnet(3, width=4)
    assert "student.pth does not fit" in fails(net, **files | {"teacher_decoder": files["student"]})


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code from the file ran",))


def test_a_file_never_runs_code(net, tmp_path):
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"weight": _Bomb()}, protocol=2))
    (tmp_path / "new.pth").write_bytes(pickle.dumps({"weight": _Bomb()}))
    torch.save({"state_dict": net.state_dict(), "extra": _Bomb()}, tmp_path / "beside.pth")
    torch.save(net, tmp_path / "module.pth")
    for name, held in (("plain", "_pytest.outcomes"), ("beside", "_pytest.outcomes"), ("module", "oddscape")):
        message = fails(net, tmp_path / f"{name}.pth")
        assert re.search(
            rf"{name}.pth holds {held}\S* beside tensors, and is not read: it could run", message
        )
    assert "new.pth is not a readable checkpoint" in fails(net, tmp_path / "new.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("kept", [1, 5000, -30])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_are_one_line(net, tmp_path, name, kept, zipped):
    if name.endswith(".safetensors"):
        save_checkpoint(net, tmp_path / name)
    else:
        torch.save(net.state_dict(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    assert re.search(f"{name} is not a (readable )?checkpoint: ", fails(net, tmp_path / name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "w.pth is empty"),
        (b"<!DOCTYPE html><title>Virus scan warning</title>", "w.pth is a web page and no checkpoint: "),
        (b"hello world\n", "w.pth is not a checkpoint: neither safetensors nor written by torch.save"),
        (b"\x89PNG\r\n" + bytes(600), "w.pth is not a checkpoint: "),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(net, tmp_path, content, message):
    (tmp_path / "w.pth").write_bytes(content)
    assert message in fails(net, tmp_path / "w.pth")


def test_other_contents_are_listed(net, tmp_path):
    torch.save({"net": {"weight": torch.zeros(3)}, "epoch": 3}, tmp_path / "w.pth")
    assert fails(net, tmp_path / "w.pth").endswith(
        "holds what is no tensor (net, epoch), expected tensors by name, plain or under state_dict or model"
    )
    torch.save([torch.zeros(3)], tmp_path / "w.pth")
    assert "holds no mapping from names to tensors" in fails(net, tmp_path / "w.pth")
    assert "no checkpoint at" in fails(net, tmp_path / "nowhere.pth")


def test_a_disk_that_refuses_leaves_nothing_behind(net, tmp_path):
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OddscapeError, match=r"cannot write .*w.safetensors: File too large$"):
            save_checkpoint(net, tmp_path / "w.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_weights_are_written_under_the_ending_that_they_are_read_by(net, tmp_path):
    with pytest.raises(OddscapeError, match=r"w.pth: expected a file that ends in .safetensors$"):
        save_checkpoint(net, tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())


def test_others_may_read_saved_weights_as_they_may_any_file(net, tmp_path):
    (tmp_path / "any").touch()
    save_checkpoint(net, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.slow
def test_a_file_of_full_size_with_the_released_layout_loads(tmp_path):
    torch.manual_seed(0)
    with torch.device("meta"):
        net = create_model("densehybrid_wrn38", num_classes=19)
    state = {name: torch.rand(tensor.shape).to(tensor.dtype) for name, tensor in net.state_dict().items()}
    assert sum(weight.numel() for weight in state.values()) > 137e6
    file = {"state_dict": {f"module.{name}": weight for name, weight in state.items()}, "epoch": 80}
    torch.save(file, tmp_path / "wrn38.pth")
    net.to_empty(device="cpu")
    load_checkpoint(net, tmp_path / "wrn38.pth")
    assert not [name for name, weight in net.state_dict().items() if not torch.equal(weight, state[name])]


def test_real_erfnet_weights_fit(shared_data):
    net = create_model("erfnet", num_classes=19, void=True)
    load_checkpoint(net, shared_data / "weights" / "erfnet_city20.pth")
