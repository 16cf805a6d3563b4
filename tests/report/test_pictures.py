import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from oddscape.labels import ANOMALY_COLOUR
from oddscape.report.heat import HEAT
from oddscape.report.pictures import (
    HATCH,
    OUTLINE,
    UNKNOWN_COLOUR,
    contour,
    heat_map,
    nearest,
    panels,
    shown_size,
)


def decoded(source: str) -> Image.Image:
    kind, data = source.split(";base64,")
    picture = Image.open(BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{picture.format.lower()}"
    return picture


def test_wide_pictures_are_shrunk_and_others_kept():
    assert shown_size((1080, 1920)) == (360, 640)
    assert shown_size((180, 320)) == (180, 320)


def test_nearest_takes_existing_labels():
    labels = np.array([[0, 0, 7, 7], [0, 0, 7, 7], [9, 9, 255, 255], [9, 9, 255, 255]], np.uint8)
    assert nearest(labels, (2, 2)).tolist() == [[0, 7], [9, 255]]
    assert (nearest(labels, (4, 4)) == labels).all()


def test_panels_stand_in_order_and_have_the_right_kind(illustration):
    shown = panels(illustration)
    assert [p.title for p in shown] == [
        *("Photograph", "Closed-set classes", "Anomaly score", "Open-set result", "Truth")
    ]
    pictures = [decoded(panel.source) for panel in shown]
    assert [picture.format for picture in pictures] == ["JPEG", "PNG", "JPEG", "PNG", "PNG"]
    assert {picture.size for picture in pictures} == {(64, 48)}
    assert all(illustration.name in panel.alt for panel in shown)


def test_open_set_panel_paints_what_exceeds_the_threshold(illustration):
    painted = np.asarray(decoded(panels(illustration)[3].source).convert("RGB"))
    space = illustration.label_space
    assert (painted == space.paint(illustration.open_set)).all()


def test_truth_panel_with_classes(illustration):
    painted = np.asarray(decoded(panels(illustration)[4].source).convert("RGB"))
    space = illustration.label_space
    assert (painted[illustration.anomaly == 1] == ANOMALY_COLOUR).all()
    assert (painted[:8] == space.colours[1]).all()
    assert (painted[22:30] == space.colours[0]).all()
    assert (painted[30:32] == UNKNOWN_COLOUR).all()
    assert {tuple(colour) for colour in painted[40:].reshape(-1, 3).tolist()} == set(HATCH)


def test_truth_panel_without_classes_keeps_the_photograph_dark(illustration):
    panel = panels(replace(illustration, labels=None))[4]
    painted = np.asarray(decoded(panel.source)).astype(int)
    inside = painted[12:18, 12:18]
    assert np.abs(inside - ANOMALY_COLOUR).mean() < 60
    assert painted[22:38].mean() < illustration.image[22:38].mean()


def test_contour_surrounds_the_anomaly_and_stays_outside():
    anomaly = np.zeros((7, 7), np.uint8)
    anomaly[3, 3] = 1
    anomaly[0, 0] = 255
    assert sorted(zip(*np.nonzero(contour(anomaly)), strict=True)) == [(2, 3), (3, 2), (3, 4), (4, 3)]


def test_heat_map_panel_outlines_the_truth(illustration):
    painted = np.asarray(decoded(panels(illustration)[2].source)).astype(int)
    # JPEG: near the colour, not at it.
    assert np.abs(painted[9, 11:19] - OUTLINE).mean() < 60


def test_heat_map_ignores_one_extreme_pixel():
    score = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (100, 1))
    extreme = score.copy()
    extreme[50, 50] = np.inf
    assert (heat_map(score) == heat_map(extreme)).all(2).mean() > 0.999
    assert heat_map(score).shape == (100, 200, 3)
    assert heat_map(score, (10, 20)).shape == (10, 20, 3)
    assert (heat_map(score)[:, -1] == HEAT[-1]).all()
