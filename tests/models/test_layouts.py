"""Telling networks from the names and shapes of the released files, which the reference lists."""

import json

import pytest
import torch

from oddscape.models import create_model
from oddscape.models.layouts import parts_of, recognise, shapes_of


@pytest.mark.parametrize(
    ("file", "model", "part", "classes"),
    [
        ("ldn121", "ldn121", "", 12),
        ("densehybrid_ldn121", "densehybrid_ldn121", "", 12),
        ("densehybrid_wrn38", "densehybrid_wrn38", "", 19),
        ("dicnet_teacher_encoder", "dicnet", "teacher_encoder", None),
        ("dicnet_teacher_decoder", "dicnet", "teacher_decoder", 13),
        ("dicnet_student", "dicnet", "student", None),
    ],
)
def test_the_released_files_are_recognised(shared_reference, file, model, part, classes):
    listed = json.loads((shared_reference / "networks" / "state_dict_shapes.json").read_text())[file]
    shapes = {n: tuple(shape) for n, shape in listed.items() if not n.endswith("num_batches_tracked")}
    found = recognise(shapes)
    assert (found.model, found.part, found.num_classes, found.share) == (model, part, classes, 1.0)


def test_a_network_with_void_counts_it():
    found = recognise(shapes_of(create_model("erfnet", num_classes=19, void=True).state_dict()))
    assert str(found) == "erfnet for 20 classes"


def test_a_part_missing_lowers_the_share_and_another_network_is_none():
    shapes = shapes_of(create_model("small_ladder", num_classes=3).state_dict())
    fewer = dict(list(shapes.items())[: len(shapes) * 9 // 10])
    assert recognise(fewer).model == "small_ladder"
    assert recognise(fewer).share < 1
    assert recognise(dict(list(shapes.items())[: len(shapes) // 3])) is None
    assert recognise({"weight": (3, 4)}) is None


def test_a_part_is_named_with_its_network():
    with torch.device("meta"):
        student = create_model("dicnet", num_classes=2).student
    assert str(recognise(shapes_of(student.state_dict()))) == "dicnet's student"


def test_only_the_published_system_has_parts():
    assert parts_of(create_model("small_ladder", num_classes=2)) == {}
    assert parts_of(create_model("dicnet_small_ladder", num_classes=2)) == {}
