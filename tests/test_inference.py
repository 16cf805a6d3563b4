import pytest
import torch

from oddscape.inference import postprocess
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES


def output(native, size, align_corners=False, classes=7):
    generator = torch.Generator().manual_seed(0)
    n, h, w = native

    def maps(channels, *places):
        return torch.randn((n, channels, *(places or (h, w))), generator=generator) * 3

    return DenseOutput(
        NativeMaps(maps(classes), maps(2), maps(1), maps(4, h // 2, w // 2), maps(4, h // 2, w // 2)),
        size,
        align_corners,
    )


SIZES = [
    ((1, 8, 12), (32, 48)),
    ((2, 9, 7), (37, 23)),
    ((1, 16, 16), (16, 16)),
    ((1, 20, 30), (9, 11)),
    ((1, 2, 2), (3, 1)),
]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("native", "size"), SIZES)
@pytest.mark.parametrize("band_columns", [1, 8, 1000])
def test_bands_equal_the_plain_computation(native, size, align_corners, band_columns):
    out = output(native, size, align_corners)
    result = postprocess(out, SCORES, band_columns)
    assert torch.equal(result.classes, out.logits.argmax(1).to(torch.uint8))
    for name, score in SCORES.items():
        torch.testing.assert_close(result.scores[name], score(out), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("size", [(8, 12), (32, 48)])
def test_the_networks_maps_are_left_as_they_were(size):
    out = output((1, 8, 12), size)
    before = out.native.logits.clone()
    postprocess(out, SCORES)
    assert torch.equal(out.native.logits, before)


def test_classes_follow_argmax_among_many_and_near_ties():
    logits = torch.randn(1, 150, 6, 40).mul_(4).round_().div_(4)
    logits[:, 100] = logits.amax(1) - 1e-7
    out = DenseOutput(NativeMaps(logits), (6, 40))
    assert torch.equal(postprocess(out, {}).classes, logits.argmax(1).to(torch.uint8))


def test_half_precision_maps_are_computed_in_float32():
    out = output((1, 8, 8), (32, 32))
    half = DenseOutput(NativeMaps(out.native.logits.bfloat16()), out.size)
    result = postprocess(half, {"energy": SCORES["energy"]})
    assert result.scores["energy"].dtype == torch.float32
    torch.testing.assert_close(result.scores["energy"], SCORES["energy"](half), rtol=1e-5, atol=1e-5)


def test_equal_logits_give_the_first_class():
    out = DenseOutput(NativeMaps(torch.zeros(1, 5, 4, 4)), (8, 8))
    assert postprocess(out, {}).classes.max() == 0
