"""float16 and int8: what they cost, and that speed is what decides."""

import math
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from oddscape.data.masks import masks
from oddscape.errors import OddscapeError
from oddscape.export.comparison import compare_files
from oddscape.export.float16 import to_float16
from oddscape.export.int8 import to_int8
from oddscape.export.onnx_graph import network_nodes
from oddscape.protocols import PROTOCOLS
from oddscape.scenes import Scene


def smooth_pictures(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.integers(0, 256, (6, 9, 3), np.uint8).repeat(10, 0).repeat(10, 1)


@pytest.fixture(scope="module")
def half(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("half") / "half.onnx"
    to_float16(exported, path)
    return path


@pytest.fixture(scope="module")
def quantised(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    to_int8(exported, path, smooth_pictures(6))
    return path


def run(path, image):
    return onnxruntime.InferenceSession(path).run(["classes", "score"], {"image": image[None]})


def types_of_weights(path):
    return {weight.data_type for weight in onnx.load(path).graph.initializer if len(weight.dims) == 4}


def test_float16_holds_the_network_and_little_is_lost(exported, half):
    onnx.checker.check_model(onnx.load(half), full_check=True)
    assert types_of_weights(half) == {onnx.TensorProto.FLOAT16}
    for image in smooth_pictures(3):
        (classes, score), (half_classes, half_score) = run(exported, image), run(half, image)
        assert np.mean(classes == half_classes) > 0.97
        np.testing.assert_allclose(half_score, score, atol=0.02)
        assert not np.array_equal(half_score, score)


def test_int8_holds_the_network_but_for_its_last_convolutions(exported, quantised):
    kinds = types_of_weights(quantised)
    assert kinds == {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
    inside, last = network_nodes(onnx.load(exported))
    assert len(last) == 2  # the classifier and the outlier head
    assert last < inside
    for image in smooth_pictures(3):
        (classes, score), (whole_classes, whole_score) = run(exported, image), run(quantised, image)
        assert np.mean(classes == whole_classes) > 0.9
        assert spearmanr(score.ravel(), whole_score.ravel()).statistic > 0.98


def test_a_file_says_in_what_it_computes(half, quantised):
    for path, precision in ((half, "float16"), (quantised, "int8")):
        said = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert (said["precision"], said["licence"]) == (precision, "for tests")


def test_figures_are_those_of_the_maps(exported, half, masks_folder):
    protocol = PROTOCOLS["masks"]
    data = masks(masks_folder)
    compared = compare_files(exported, half, data, protocol=protocol, threads=1)
    for path, figures in ((exported, compared.reference), (half, compared.candidate)):
        truth = np.concatenate([scene.anomaly.ravel() for scene in data])
        scores = np.concatenate([run(path, scene.image)[1].ravel() for scene in data])
        wanted = average_precision_score(truth[truth < 2], scores[truth < 2])
        assert figures.average_precision == pytest.approx(wanted, abs=1e-6)
        assert figures.megabytes == path.stat().st_size / 1e6
        assert math.isnan(figures.miou)
    assert (compared.pictures, compared.reference.precision, compared.candidate.precision) == (
        4,
        "float32",
        "float16",
    )
    assert compared.is_faster == (compared.speed > 1)
    assert 0.9 < compared.same_class <= 1


def test_a_file_compared_with_itself_agrees(exported):
    scenes = [Scene(str(number), image) for number, image in enumerate(smooth_pictures(2))]
    compared = compare_files(exported, exported, scenes, threads=1)
    assert (compared.same_class, compared.rank_correlation) == (1, pytest.approx(1))
    assert replace(compared, speed=1.01).is_faster
    assert not replace(compared, speed=1).is_faster
    with pytest.raises(OddscapeError, match="no picture to compare"):
        compare_files(exported, exported, [])


def test_a_file_whose_score_is_no_number_is_refused(tmp_path, exported, half):
    model = onnx.load(half)
    weight = next(weight for weight in model.graph.initializer if len(weight.dims) == 4)
    nowhere = np.full_like(onnx.numpy_helper.to_array(weight), np.nan)
    weight.CopyFrom(onnx.numpy_helper.from_array(nowhere, weight.name))
    onnx.save(model, tmp_path / "broken.onnx")
    scenes = [Scene("a", image) for image in smooth_pictures(1)]
    with pytest.raises(OddscapeError, match=r"^in float16, the score is not a number \(NaN\)$"):
        compare_files(exported, tmp_path / "broken.onnx", scenes, threads=1)


def test_what_does_not_go_into_fewer_bits_is_said(tmp_path, exported):
    model = onnx.load(exported)
    weight = next(weight for weight in model.graph.initializer if len(weight.dims) == 4)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1e7, weight.name))
    onnx.save(model, tmp_path / "large.onnx")
    with pytest.raises(OddscapeError, match=r"reaches .*, float16 no more than 65504$"):
        to_float16(tmp_path / "large.onnx", tmp_path / "out.onnx")
    del model.graph.node[:]
    onnx.save(model, tmp_path / "empty.onnx")
    for convert in (to_float16, lambda source, out: to_int8(source, out, smooth_pictures(1))):
        with pytest.raises(OddscapeError):
            convert(tmp_path / "empty.onnx", tmp_path / "out.onnx")
    with pytest.raises(OddscapeError, match=r"^the network does not go into 8 bits: No data is collected"):
        to_int8(exported, tmp_path / "out.onnx", [])
    assert not (tmp_path / "out.onnx").exists()
