"""Runs that are stopped from outside, and go on."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context

import pytest
from safetensors.torch import load_file

from oddscape.errors import OddscapeError
from oddscape.training import interruption
from oddscape.training.interruption import StopSignal, TrainingStoppedError, obey_parent_alone
from oddscape.training.loop import train
from oddscape.training.run_folder import RunFolder
from oddscape.training.setup import Order


def terminate_at(step, times=1):
    def on_step(report):
        if report.step == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGTERM)

    return on_step


def weights(config):
    found = load_file(config.out / "weights.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


@pytest.fixture
def whole(config):
    """The same run, never stopped."""
    config = replace(config, out=config.out.with_name("whole"))
    train(config)
    return config


@pytest.mark.parametrize("times", [1, 2], ids=["once", "and passed on by a launcher"])
def test_a_run_that_is_told_to_stop_writes_a_checkpoint_and_goes_on_to_the_same_weights(config, whole, times):
    message = "stopped by SIGTERM after step 3 of 4; the same command goes on from there"
    with pytest.raises(TrainingStoppedError, match=message):
        train(config, terminate_at(2, times))
    assert not (config.out / "weights.safetensors").exists()
    reports = []
    train(config, reports.append)
    assert [report.step for report in reports] == [4]
    assert weights(config) == weights(whole)


class SecondSignal(BaseException):
    """What the program around a training run makes of SIGTERM."""


def test_a_second_signal_acts_as_ever(config, monkeypatch):
    def stop(*_):
        raise SecondSignal

    monkeypatch.setattr(interruption, "_ECHO_SECONDS", 0)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(SecondSignal):
            train(config, terminate_at(3, times=2))
        assert signal.getsignal(signal.SIGTERM) is stop
        assert RunFolder(config.out).load_checkpoint(config)["step"] == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def block():
        with StopSignal() as stop:
            seen.extend((signal.getsignal(signal.SIGTERM), stop.came))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [before, False]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who sent a signal")
def test_a_reader_outlives_signals_that_are_not_its_parents():
    with ProcessPoolExecutor(1, get_context("spawn"), obey_parent_alone, (0,)) as readers:
        reader = readers.submit(os.getpid).result()
        subprocess.run(["kill", "-TERM", str(reader)], check=True)
        assert readers.submit(os.getpid).result() == reader
        sleep = readers.submit(time.sleep, 60)
        while not sleep.done():  # two signals in a row may come as one, the first
            with suppress(ProcessLookupError):
                os.kill(reader, signal.SIGTERM)
            time.sleep(0.05)
        with pytest.raises(BrokenProcessPool):
            sleep.result()


def launched(config):
    """A run of its own session."""
    settings = config.out.with_suffix(".toml")
    settings.write_text(config.to_toml())
    return subprocess.Popen(
        [sys.executable, "-m", "oddscape", "train", config.method, "--config", settings],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def started(config):
    """The same, when it has finished some steps."""
    process = launched(config)
    while process.poll() is None and len(logged_steps(config)) < 3:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]
    return process


def logged_steps(config):
    return [line["step"] for line in RunFolder(config.out).log() if line["kind"] == "step"]


@pytest.fixture
def long(config):
    """A run of 16 steps, each with a checkpoint."""
    return replace(config, epochs=8, checkpoint_every=1, workers=1)


def test_a_run_that_was_killed_goes_on_to_the_same_weights(long):
    process = started(long)
    time.sleep(0.1 * random.random())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finished = logged_steps(long)[-1]
    reports = []
    train(replace(long, workers=0), reports.append)
    assert reports[0].step >= finished
    assert reports[-1].step == 16
    undisturbed = replace(long, out=long.out.with_name("whole"), workers=0, checkpoint_every=0)
    train(undisturbed)
    assert weights(long) == weights(undisturbed)
    assert not list(long.out.glob(".*"))


def test_all_processes_of_a_run_may_be_told_to_stop(long):
    process = started(long)
    os.killpg(process.pid, signal.SIGTERM)  # the process that reads pictures among them
    printed, _ = process.communicate()
    step = logged_steps(long)[-1]
    assert process.returncode == 1
    assert printed == (
        f"oddscape: stopped by SIGTERM after step {step} of 16; the same command goes on from there\n"
    )
    assert RunFolder(long.out).load_checkpoint(long)["step"] == step


def test_a_broken_checkpoint_costs_the_work_since_the_one_before_it(config, whole):
    with pytest.raises(TrainingStoppedError):
        train(replace(config, checkpoint_every=1), terminate_at(2))
    (config.out / "checkpoint.safetensors").write_bytes(b"broken")
    with pytest.raises(OddscapeError, match=r"checkpoint\.safetensors is broken"):
        train(config)
    train(replace(config, resume_previous=True))
    assert weights(config) == weights(whole)


def test_a_broken_picture_that_another_process_reads_is_named_in_one_line_too(config, tmp_path):
    data = shutil.copytree(config.data, tmp_path / "data")
    second_step = Order(9, config.seed, config.batch_size).indices[1].ravel()
    broken = data / "train" / f"a_{second_step[2]}.png"
    broken.write_bytes(b"broken")
    process = launched(replace(config, data=data, workers=1, checkpoint_every=1))
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(f"oddscape: {broken}: does not decode as a picture: .*\n", printed)
    assert RunFolder(config.out).load_checkpoint(config)["step"] == 1
