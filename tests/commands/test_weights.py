"""``oddscape weights``: what it prints and how it fails."""

import pytest
import torch

from oddscape.commands import weights
from oddscape.errors import OddscapeError
from oddscape.models import checkpoint_metadata, create_model
from oddscape.weights.sources import WEIGHTS


@pytest.fixture(autouse=True)
def _wide(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("ODDSCAPE_CACHE", str(tmp_path))
    monkeypatch.delenv("ODDSCAPE_MIRROR", raising=False)


def test_every_entry_is_listed_with_its_address_on_a_line(capsys):
    weights.list_()
    out = capsys.readouterr().out
    lines = out.splitlines()
    for name, released in WEIGHTS.items():
        assert any(line.startswith(f"{name}: {released.file.url}") for line in lines)
        assert any(f" {name} " in line for line in lines)
        assert released.model in out


def test_what_is_in_the_cache_is_named_with_its_licence(capsys, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "erfnet_pretrained.pth").write_bytes(b"PK")
    weights.get("erfnet-cityscapes")
    out = capsys.readouterr().out
    assert out == f"{tmp_path}/weights/erfnet_pretrained.pth\nlicence: CC BY-NC 4.0\n"


def test_what_wants_a_browser_ends_in_one_line():
    with pytest.raises(OddscapeError, match=r"wants a browser: open https://drive\.google\.com/") as caught:
        weights.get("densehybrid-wrn38-cityscapes")
    assert "\n" not in str(caught.value)


def test_a_file_is_converted_and_described(capsys, tmp_path):
    torch.save(create_model("small_ladder", 2).state_dict(), tmp_path / "w.pth")
    out = tmp_path / "w.safetensors"
    weights.convert(tmp_path / "w.pth", model="small_ladder", num_classes=2, out=out, licence="CC0")
    printed = capsys.readouterr().out
    for line in (
        "model: small_ladder",
        "num_classes: 2",
        "source: not known",
        "licence: CC0",
        f"written: {out}",
    ):
        assert f"{line}\n" in printed
    assert checkpoint_metadata(out)["licence"] == "CC0"


def test_the_number_of_classes_is_asked_for(tmp_path):
    with pytest.raises(OddscapeError, match="give FILE and --imagenet, or --num-classes"):
        weights.convert(tmp_path / "w.pth", model="small_ladder", out=tmp_path / "out")


def test_the_shipped_ones_come_first(capsys, street_lite):
    weights.list_()
    out = capsys.readouterr().out
    assert out.index(" street-lite ") < out.index(" erfnet-cityscapes ")
    assert "licence: for tests [of these]" in out
    assert f"street-lite: {street_lite.with_suffix('.md')}\n" in out
    weights.get("street-lite")
    assert capsys.readouterr().out == f"{street_lite}\n"
    street_lite.unlink()
    weights.list_()
    assert "comes with Oddscape, but is missing here" in capsys.readouterr().out
