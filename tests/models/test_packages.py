import sys

import pytest

from oddscape import installation
from oddscape.errors import OddscapeError
from oddscape.models.packages import load_package


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make a package that does as told when it is imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, code):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(code)

    return make


def test_packages_are_imported(package):
    package("loads_well", "answer = 42")
    assert load_package("loads_well", "extra").answer == 42


def test_missing_ones_are_said_with_the_command_that_installs_them(package):
    with pytest.raises(
        OddscapeError, match=r"^nowhere_at_all is not installed: pip install 'oddscape\[ex\]'$"
    ):
        load_package("nowhere_at_all.models", "ex")
    package("needs_more", "import nowhere_at_all")
    with pytest.raises(OddscapeError, match=r"^needs_more needs nowhere_at_all, which is not installed: pip"):
        load_package("needs_more", "ex")


@pytest.mark.parametrize("name", ["torchvision_like", "another"])
def test_a_torchvision_for_another_torch_is_said(package, name, monkeypatch):
    monkeypatch.setattr(installation, "version", {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}.get)
    package(name, "raise RuntimeError('operator torchvision::nms does not exist')")
    with pytest.raises(OddscapeError) as error:
        load_package(name, "ex")
    said = str(error.value)
    assert "torchvision 0.28.0 does not load beside torch 2.13.0+cpu, so it is built for another" in said
    assert said.endswith(
        "pip install torchvision torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu"
    )
    assert "\n" not in said


def test_other_failures_are_said_in_a_line(package):
    package("broken", "raise OSError('libwhatever.so: not found\\nmore')")
    with pytest.raises(OddscapeError, match=r"^broken does not load: libwhatever.so: not found$"):
        load_package("broken", "ex")
