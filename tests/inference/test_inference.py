import pytest
import torch

from oddscape.inference import postprocess
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES, Score, read_score


def output(native, size, align_corners=False, classes=7):
    generator = torch.Generator().manual_seed(0)
    n, h, w = native

    def maps(channels, *places):
        return torch.randn((n, channels, *(places or (h, w))), generator=generator) * 3

    return DenseOutput(
        NativeMaps(
            maps(classes),
            maps(2),
            maps(1),
            maps(4, h // 2, w // 2),
            maps(4, h // 2, w // 2),
            mask_logits=maps(6, h + 3, w + 2),
            class_logits=torch.randn((n, 6, classes + 1), generator=generator),
            member_logits=torch.stack([maps(classes) for _ in range(3)]),
        ),
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


def test_half_precision_of_the_networks_surroundings_stays_out():
    out = output((1, 8, 12), (32, 48))
    with torch.autocast("cpu", torch.bfloat16):
        result = postprocess(out, SCORES)
    for name, score in SCORES.items():
        torch.testing.assert_close(result.scores[name], score(out), rtol=1e-5, atol=2e-5)


# Of any member, so that each must be at its own place.
OF_MEMBERS = Score(
    "members",
    lambda out: (out.member_logits * torch.tensor([1.0, 2, 4]).view(-1, 1, 1, 1, 1)).sum(0).amax(1),
    "",
    "",
    needs=("member_logits",),
)


@pytest.mark.parametrize(("native", "size"), SIZES)
def test_bands_of_members_equal_the_plain_computation(native, size):
    out = output(native, size)
    banded = postprocess(out, {"members": OF_MEMBERS}, 8).scores["members"]
    torch.testing.assert_close(banded, OF_MEMBERS(out), rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize(
    "text", ["max_logit+boundaries+smoothing", "dicnet+smoothing", "rba+boundaries@width=2"]
)
def test_steps_on_finished_maps_follow_the_bands(text):
    out = output((2, 9, 7), (37, 23))
    score = read_score(text, SCORES)
    result = postprocess(out, {"energy": SCORES["energy"], text: score}, 8)
    torch.testing.assert_close(result.scores[text], score(out), rtol=1e-5, atol=2e-5)
    assert list(result.scores) == ["energy", text]


@pytest.mark.parametrize("name", ["msp", "energy", "gen"])
def test_temperature_in_bands(name):
    out, score = output((1, 8, 12), (32, 48)), SCORES[name].with_(temperature=2)
    result = postprocess(out, {"hot": score, "plain": SCORES[name]}, 8)
    torch.testing.assert_close(result.scores["hot"], score(out), rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(result.scores["plain"], SCORES[name](out), rtol=1e-5, atol=2e-5)


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


def test_evidence_of_a_whole_score_comes_from_the_bands(monkeypatch):
    out = DenseOutput(NativeMaps(torch.randn(1, 5, 6, 40), features=torch.randn(1, 3, 6, 40)), (24, 160))
    score = Score("x", lambda out: out.log_evidence, "", "", per_pixel=False, reads_evidence=True)
    wanted, widths, upsampled = score(out), [], DenseOutput.full_size
    monkeypatch.setattr(
        DenseOutput, "full_size", lambda self, maps: widths.append(self.size[1]) or upsampled(self, maps)
    )
    given = postprocess(out, {"x": score}).scores["x"]
    torch.testing.assert_close(given, wanted, rtol=1e-5, atol=1e-5)
    assert max(widths) <= 32
