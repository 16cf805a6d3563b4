"""What the tests of several commands share."""

import pytest
import torch

from oddscape.cli import main
from oddscape.models import create_model, save_checkpoint


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line; give its exit status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        try:
            main([str(argument) for argument in arguments])
            status = 0
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def weights(tmp_path):
    """Weights of a small network for 12 classes, as training writes them."""
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_checkpoint(create_model("small_ladder", 12), path, {"model": "small_ladder", "num_classes": "12"})
    return path
