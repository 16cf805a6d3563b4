import errno
import os
from pathlib import Path

import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.training import state_file
from oddscape.training.config import TrainConfig
from oddscape.training.run_folder import RunFolder


def make_config(folder, **options):
    return TrainConfig(
        **{"method": "closed-set", "dataset": "camvid", "data": Path("data"), "out": folder, **options}
    )


def started(folder, steps):
    """A run that logged some steps of two an epoch and saved a checkpoint after the first."""
    run = RunFolder(folder)
    run.begin(make_config(folder), {"torch": "2"}, 0)
    for step in range(1, steps + 1):
        run.append(line(step))
        if step % 2 == 0:
            run.append_epoch(step // 2)
        if step == 1:
            run.save_checkpoint({"step": 1, "network": {"w": torch.ones(2)}})
    return run


def line(step):
    return {
        "kind": "step",
        "epoch": (step + 1) // 2,
        "step": step,
        "loss": step / 2,
        "terms": {"nll": float(step)},
        "pictures_per_second": 1.0,
    }


def test_a_fresh_folder_has_no_checkpoint_and_no_log(tmp_path):
    run = RunFolder(tmp_path / "deep" / "run")
    assert run.load_checkpoint(make_config(run.path)) is None
    assert run.log() == []


def test_what_was_saved_is_loaded(tmp_path):
    state = started(tmp_path, 1).load_checkpoint(make_config(tmp_path))
    assert state["step"] == 1
    assert torch.equal(state["network"]["w"], torch.ones(2))


def test_the_log_holds_steps_and_the_mean_of_each_epoch(tmp_path):
    log = started(tmp_path, 3).log()
    assert [(entry["kind"], entry["step"]) for entry in log] == [
        ("step", 1),
        ("step", 2),
        ("epoch", 2),
        ("step", 3),
    ]
    assert log[2] == {
        "kind": "epoch",
        "epoch": 1,
        "step": 2,
        "loss": 0.75,
        "terms": {"nll": 1.5},
        "pictures_per_second": 1.0,
    }


def test_going_on_cuts_the_log_to_the_checkpoint(tmp_path):
    run = started(tmp_path, 3)
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "st')  # killed while writing
    run.begin(make_config(tmp_path), {}, 1)
    assert run.log() == [line(1)]
    assert run.checkpoint.exists()


def test_beginning_anew_forgets_the_earlier_run(tmp_path):
    run = started(tmp_path, 3)
    assert run.load_checkpoint(make_config(tmp_path, resume=False)) is None
    run.begin(make_config(tmp_path, resume=False), {}, 0)
    assert run.log() == []
    assert not run.checkpoint.exists()


def test_another_configuration_is_refused_with_the_names_of_its_fields(tmp_path):
    run = started(tmp_path, 1)
    with pytest.raises(OddscapeError, match="another learning_rate, seed"):
        run.load_checkpoint(make_config(tmp_path, learning_rate=1.0, seed=3))


def test_where_things_lie_and_how_they_are_computed_may_change(tmp_path):
    run = started(tmp_path, 1)
    changed = make_config(tmp_path, data=Path("moved"), workers=2, cache_mb=1, log_every=5)
    assert run.load_checkpoint(changed)["step"] == 1


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_broken_checkpoint_is_named(tmp_path, content):
    run = started(tmp_path, 1)
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:-200] if content is None else content)
    with pytest.raises(OddscapeError, match=r"checkpoint\.safetensors is broken"):
        run.load_checkpoint(make_config(tmp_path))


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, monkeypatch):
    run = started(tmp_path, 1)
    files = set(tmp_path.iterdir())

    def half_written(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half_written)
        with pytest.raises(OddscapeError, match=r"cannot write .*checkpoint\.safetensors: No space left"):
            run.save_checkpoint({"step": 2})
    assert set(tmp_path.iterdir()) == files
    assert run.load_checkpoint(make_config(tmp_path))["step"] == 1


def second_checkpoint(folder):
    """A run with a checkpoint of step 1 and one of step 2."""
    run = started(folder, 2)
    run.save_checkpoint({"step": 2, "network": {"w": torch.ones(2)}})
    return run


def test_the_checkpoint_before_the_last_is_kept(tmp_path):
    run = second_checkpoint(tmp_path)
    assert run.load_checkpoint(make_config(tmp_path))["step"] == 2
    run.checkpoint.unlink()  # as after a kill between the two renames
    assert run.load_checkpoint(make_config(tmp_path))["step"] == 1


def test_the_checkpoint_before_a_broken_one_is_used_when_asked_alone(tmp_path, caplog):
    run = second_checkpoint(tmp_path)
    run.checkpoint.write_bytes(b"broken")
    message = r"checkpoint\.safetensors is broken .*; resume_previous = true .*, resume = false"
    with pytest.raises(OddscapeError, match=message):
        run.load_checkpoint(make_config(tmp_path))
    config = make_config(tmp_path, resume_previous=True)
    assert run.load_checkpoint(config)["step"] == 1
    assert "checkpoint.safetensors is broken" in caplog.text
    assert "going on from the checkpoint before it, of step 1" in caplog.text
    run.save_checkpoint({"step": 2})
    run.checkpoint.unlink()
    assert run.load_checkpoint(config)["step"] == 1  # the broken one did not become the previous


def test_two_broken_checkpoints_are_an_error_even_then(tmp_path):
    run = second_checkpoint(tmp_path)
    for path in (run.checkpoint, run.previous):
        path.write_bytes(b"broken")
    with pytest.raises(OddscapeError, match=r"previous\.safetensors is broken"):
        run.load_checkpoint(make_config(tmp_path, resume_previous=True))


def test_a_single_wrong_bit_is_noticed(tmp_path):
    run = started(tmp_path, 1)
    content = bytearray(run.checkpoint.read_bytes())
    content[-1] ^= 1
    run.checkpoint.write_bytes(content)
    with pytest.raises(OddscapeError, match=r"is broken \(/network/w is not what was written\)"):
        run.load_checkpoint(make_config(tmp_path))


def test_a_checkpoint_is_on_the_disk_before_it_takes_the_others_name(tmp_path, monkeypatch):
    run, synced = started(tmp_path, 1), []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(steps(run)), real(descriptor)))
    run.save_checkpoint({"step": 2})
    assert synced == [1, 2]  # the file under another name, then the folder with its names


def steps(run):
    return state_file.from_file(run.checkpoint)["step"]


def test_what_a_killed_run_left_half_written_goes_when_it_goes_on(tmp_path):
    run = started(tmp_path, 1)
    (tmp_path / ".checkpoint.safetensors.1234.partial").write_bytes(b"half")
    run.save_failed_step({"step": 1})
    run.begin(make_config(tmp_path), {}, 1)
    assert not list(tmp_path.glob(".*"))
    assert not run.failed_step.exists()
    assert run.checkpoint.exists()
