"""Regions as JSON against the masks they come from, decoded as COCO's own tools do."""

import json
from dataclasses import replace

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.predicting.region_files import encode_regions, write_coco


def filled(polygon, shape):
    """The pixels whose centres lie in a polygon [x, y, x, y, …], by counting crossings to their left."""
    corners = np.reshape(polygon, (-1, 2))
    mask = np.zeros(shape, bool)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if x == next_x:
            mask[min(y, next_y) : max(y, next_y), x:] ^= True
    return mask


def run_lengths(segmentation):
    """COCO's uncompressed run lengths: zeros and ones in turn, column by column."""
    values = np.repeat(np.arange(len(segmentation["counts"])) % 2, segmentation["counts"])
    return values.reshape(segmentation["size"], order="F").astype(bool)


@pytest.fixture
def files(prediction, tmp_path):
    """Files of two pictures, the second without regions."""
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    files[0].write_bytes(encode_regions(prediction, "in/ä.png"))
    files[1].write_bytes(encode_regions(replace(prediction, threshold=10.0), "in/b.png"))
    return files


def test_a_picture(files):
    said = json.loads(files[0].read_text())
    assert (said["picture"], said["width"], said["height"], said["threshold"]) == ("in/ä.png", 10, 8, 1.0)
    ring, corner, pixel = said["regions"]
    assert ring["outlines"] == [[[4, 0], [4, 3], [1, 3], [1, 0]], [[2, 2], [3, 2], [3, 1], [2, 1]]]
    assert (ring["box"], ring["area"], ring["mean_score"], ring["max_score"]) == ([1, 0, 3, 3], 8, 2.0, 2.0)
    assert (corner["box"], corner["area"], len(corner["outlines"])) == ([5, 4, 2, 2], 2, 1)
    assert (pixel["box"], pixel["area"], pixel["max_score"]) == ([9, 7, 1, 1], 1, 9.0)
    assert json.loads(files[1].read_text())["regions"] == []


def test_all_in_the_format_of_coco(prediction, files, tmp_path):
    assert write_coco(tmp_path / "regions.json", lambda: files) == 3
    coco = json.loads((tmp_path / "regions.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "anomaly", "supercategory": "anomaly"}]
    assert [(image["id"], image["file_name"]) for image in coco["images"]] == [
        (1, "in/ä.png"),
        (2, "in/b.png"),
    ]
    together = np.zeros((8, 10), bool)
    for annotation, region in zip(coco["annotations"], prediction.regions, strict=True):
        segmentation = annotation["segmentation"]
        one = isinstance(segmentation, list)
        mask = filled(segmentation[0], (8, 10)) if one else run_lengths(segmentation)
        assert (mask.sum(), annotation["area"]) == (region.area, region.area)
        assert annotation["score"] == pytest.approx(region.mean_score)
        left, top, width, height = annotation["bbox"]
        assert mask[top : top + height, left : left + width].sum() == region.area
        together |= mask
    np.testing.assert_array_equal(together, prediction.anomaly)
    assert [annotation["id"] for annotation in coco["annotations"]] == [1, 2, 3]


def test_a_damaged_file_is_named(files, tmp_path):
    files[1].write_text("{")
    with pytest.raises(OddscapeError, match=r"b\.json: cannot be read as the regions of a picture"):
        write_coco(tmp_path / "regions.json", lambda: files)
    assert not (tmp_path / "regions.json").exists()


def test_what_json_cannot_say(prediction):
    score = np.where(prediction.score > 5, np.inf, prediction.score)
    said = json.loads(encode_regions(replace(prediction, score=score), "a.png"))
    assert said["regions"][2]["mean_score"] is None
