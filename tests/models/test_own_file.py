import pytest
import torch

from oddscape.errors import OddscapeError
from oddscape.models import create_model
from oddscape.models.own_file import is_own_file
from oddscape.outputs import DenseOutput

CODE = """
import torch
from torch import nn

import beside
from oddscape.models.small_ladder import SmallLadder

def plain(num_classes):
    return nn.Conv2d(3, num_classes, 1)

def fixed(outputs=7):
    return nn.Conv2d(3, outputs, 1)

def ladder(**options):
    return SmallLadder(**options)

def function():
    return lambda image: torch.cat([image, 1 - image], 1)

def needy(num_classes, width):
    return nn.Conv2d(3, num_classes, 1)

def number():
    return beside.NUMBER
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    (tmp_path / "networks.py").write_text(CODE)
    (tmp_path / "beside.py").write_text("NUMBER = 3")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "networks.py"


@pytest.mark.parametrize(
    ("function", "num_classes", "options", "outputs"),
    [
        ("plain", 4, {}, 4),
        ("fixed", None, {}, 7),
        ("fixed", 5, {}, 5),
        ("fixed", None, {"outputs": 3}, 3),
        ("ladder", 4, {"outlier_head": False}, 4),
        ("function", None, {}, 6),
    ],
)
@torch.no_grad()
def test_a_function_of_ones_own_makes_the_network(file, function, num_classes, options, outputs):
    net = create_model(f"{file}:{function}", num_classes, **options).eval()
    out = net(torch.rand(1, 3, 45, 33))
    assert isinstance(out, DenseOutput)
    assert out.logits.shape == (1, outputs, 45, 33)


def test_a_head_is_attached_where_there_are_features(file):
    net = create_model(f"{file}:ladder", 4, outlier_head=True)
    assert "outlier_logits" in net(torch.rand(2, 3, 64, 64)).fields
    with pytest.raises(OddscapeError, match="gives no features; name the layer"):
        create_model(f"{file}:plain", 4, outlier_head=True)


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        ("plane", {}, r"networks.py has no function 'plane'; it has: plain, fixed, ladder, function, needy"),
        ("needy", {}, r"networks.py:needy: missing a required argument: 'width'; given: num_classes"),
        ("plain", {"wide": 1}, r"plain: got an unexpected keyword argument 'wide'; given: wide, num_classes"),
        ("number", {}, r"networks.py:number returns int; expected a network: a module or a function"),
    ],
)
def test_what_cannot_be_made_is_said(file, function, options, words):
    with pytest.raises(OddscapeError, match=words):
        create_model(f"{file}:{function}", 4, **options)


def test_files_are_told_from_other_origins(file):
    assert is_own_file("a/b.py:make")
    assert not is_own_file("timm:resnet18")
    with pytest.raises(OddscapeError, match=r"^no file .*nowhere.py"):
        create_model(f"{file.parent / 'nowhere.py'}:make")
