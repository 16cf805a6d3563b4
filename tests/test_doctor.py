"""What ``oddscape doctor`` says of installations in which something is missing."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as real_version
from types import SimpleNamespace

import pytest
import torch

from oddscape import doctor, installation
from oddscape.commands.doctor import doctor as command
from oddscape.errors import OddscapeError
from oddscape.models.packages import load_package

ASKED = [
    "numpy>=2.0",
    'nowhere>=3; extra == "far"',
    'rich>=14; extra == "near"',
    'oddscape[far]; extra == "all"',
]


@pytest.fixture
def asked(monkeypatch):
    """Oddscape asks for these packages alone, and torch is a CPU build."""
    versions = {"torch": "2.13.0+cpu"}

    def version(package):
        if versions.get(package, "") is None:
            raise PackageNotFoundError(package)
        return versions.get(package) or real_version(package)

    monkeypatch.setattr(doctor, "requires", lambda _: ASKED)
    monkeypatch.setattr(installation, "version", version)
    return versions


def found(what):
    return next(fact for fact in doctor.examine() if fact.what == what)


def test_this_installation_works():
    facts = {fact.what: fact for fact in doctor.examine()}
    assert not any(fact.needed for fact in facts.values())
    assert facts["torch"].found.startswith(f"{torch.__version__}, built for ")
    assert facts["dependencies"].remedy == ""
    assert f"numpy {real_version('numpy')}" in facts["dependencies"].found


@pytest.mark.usefixtures("asked")
def test_a_missing_extra_has_a_command_that_leaves_torch_alone():
    assert found("extra near").remedy == ""
    far = found("extra far")
    assert far.found == "nowhere missing, needs >=3"
    assert not far.needed
    assert far.remedy == (
        f"{sys.executable} -m pip install 'nowhere>=3' torch==2.13.0+cpu "
        "--extra-index-url https://download.pytorch.org/whl/cpu"
    )
    assert "extra all" not in {fact.what for fact in doctor.examine()}


def test_an_old_dependency_is_needed(asked, capsys):
    asked["numpy"] = "1.26.0"
    fact = found("dependencies")
    assert (fact.found, fact.needed) == ("numpy 1.26.0, needs >=2.0", True)
    assert "pip install 'numpy>=2.0' torch==2.13.0+cpu" in fact.remedy
    with pytest.raises(OddscapeError, match="something needed is missing or too old: dependencies"):
        command()
    assert f"dependencies: {fact.remedy}\n" in capsys.readouterr().out


def test_a_torch_that_does_not_load_is_told(asked, monkeypatch):
    asked["torch"] = None
    monkeypatch.setitem(sys.modules, "torch", None)
    fact = found("torch")
    assert fact.needed
    assert fact.found.startswith("does not load: import of torch halted")
    assert fact.remedy == f"{sys.executable} -m pip install torch"


def test_a_torchvision_for_another_torch_is_told(asked, monkeypatch, tmp_path):
    asked["torchvision"] = "0.28.0+cu130"
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    fact = found("torchvision")
    assert fact.found == (
        "torchvision 0.28.0+cu130 does not load beside torch 2.13.0+cpu, so it is built for another "
        "(operator torchvision::nms does not exist)"
    )
    assert fact.remedy == (
        f"{sys.executable} -m pip uninstall -y torchvision && "
        f"{sys.executable} -m pip install torchvision torch==2.13.0+cpu "
        "--extra-index-url https://download.pytorch.org/whl/cpu"
    )
    with pytest.raises(OddscapeError) as error:
        load_package("torchvision", "torchvision")
    assert str(error.value) == f"{fact.found}: {fact.remedy}"


def test_a_gpu_beside_a_torch_for_cpus_is_told(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert found("cuda").remedy == f"{sys.executable} -m pip install --force-reinstall torch==2.13.0"


def test_gpus_are_listed(monkeypatch):
    card = SimpleNamespace(name="Some GPU", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    assert found("cuda:1").found == "Some GPU, 24.0 GiB"


def test_shipped_weights_are_there_or_missing(street_lite):
    assert found("shipped weights").found == "street-lite, 6.9 MB"
    street_lite.unlink()
    fact = found("shipped weights")
    assert fact.found == "street-lite is missing: predict needs --weights or --detector"
    assert not fact.needed
