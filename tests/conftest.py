"""What the tests share: the real data and the reference figures, where they are at hand."""

import os
from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _two_threads():
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures and weights; the test skips where there is none."""
    folder = Path(os.environ.get("ODDSCAPE_DATA", SHARED / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: neither $ODDSCAPE_DATA nor {folder.name}/ beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of reference figures; the test skips where there is none."""
    folder = Path(os.environ.get("ODDSCAPE_REFERENCE", SHARED / "reference"))
    if not folder.is_dir():
        pytest.skip(
            f"no reference figures: neither $ODDSCAPE_REFERENCE nor {folder.name}/ beside the checkout"
        )
    return folder
