"""Every score that learns: what holds whatever it learns."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.inference import postprocess
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores.fitted import FITTED, pick_methods
from oddscape.scores.fitted.files import load_scores, save_scores

FIELDS = frozenset({"logits", "features"})
K, C = 4, 6


def outputs_of(seed, pictures, grid=(5, 7), size=(10, 14), num_classes=K, channels=C):
    """Features with a lump for each class, and logits that are an affine function of them."""
    generator, fixed = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    weights, bias = (
        torch.randn(num_classes, channels, generator=fixed),
        torch.randn(num_classes, generator=fixed),
    )
    lumps = 3 * torch.randn(num_classes, channels, generator=fixed)
    lump = lumps[torch.randint(num_classes, (pictures, *grid), generator=generator)]
    features = lump + torch.randn(pictures, *grid, channels, generator=generator)
    maps = NativeMaps((features @ weights.T + bias).movedim(-1, 1), features=features.movedim(-1, 1))
    return DenseOutput(maps, size)


def picture(out, number):
    maps = {f.name: getattr(out.native, f.name) for f in fields(out.native)}
    return replace(
        out, native=NativeMaps(**{n: m[number : number + 1] for n, m in maps.items() if m is not None})
    )


def statistics_of(name, outs, labels=None):
    statistics = FITTED[name].function(outs[0])
    for out, truth in zip(outs, labels or [None] * len(outs), strict=True):
        statistics.update(out, truth)
    return statistics


def fitted(name, outs, labels=None):
    return FITTED[name].score(statistics_of(name, outs, labels).fit())


def assert_same(one, other, unseen=None):
    unseen = outputs_of(1000, 1) if unseen is None else unseen
    torch.testing.assert_close(one(unseen), other(unseen), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FITTED)
class TestEveryMethod:
    def test_is_a_score_that_says_what_it_is(self, name):
        score = fitted(name, [outputs_of(0, 3)])
        assert score.name == name
        assert score.kind == "learns from known data"
        assert score.formula
        assert score.works.endswith(".")
        assert score.fails.endswith(".")
        assert score.paper[-4:].isdigit()
        maps = score(outputs_of(1, 2))
        assert maps.dtype == torch.float32
        assert maps.shape == (2, 10, 14)
        assert maps.isfinite().all()

    @given(order=st.permutations(range(5)), cut=st.integers(0, 5))
    @settings(max_examples=10)
    def test_parts_in_any_order_merge_into_the_whole(self, name, order, cut):
        outs = outputs_of(0, 5)
        pictures = [picture(outs, number) for number in order]
        one = FITTED[name].function(outs)
        other = FITTED[name].function(outs)
        for statistics, part in ((one, pictures[:cut]), (other, pictures[cut:])):
            for out in part:
                statistics.update(out)
        one.merge(other)
        assert_same(FITTED[name].score(one.fit()), fitted(name, [outs]))

    @given(seed=st.integers(0, 100))
    @settings(max_examples=10)
    def test_ignored_pixels_never_matter(self, name, seed):
        generator = torch.Generator().manual_seed(seed)
        outs = outputs_of(0, 3, size=(5, 7))
        labels = outs.logits.argmax(1)
        labels[torch.rand(labels.shape, generator=generator) < 0.3] = 255
        noise = (
            100 * (labels == 255).unsqueeze(1) * torch.randn(labels.shape, generator=generator).unsqueeze(1)
        )
        spoilt = NativeMaps(outs.native.logits + noise, features=outs.native.features + noise)
        assert_same(
            fitted(name, [outs], [labels]),
            fitted(name, [replace(outs, native=spoilt)], [labels.to(torch.uint8)]),
        )

    def test_own_classes_are_the_largest_logits(self, name):
        outs = outputs_of(0, 3, size=(5, 7))
        assert_same(fitted(name, [outs]), fitted(name, [outs], [outs.logits.argmax(1)]))

    def test_fits_the_fused_path(self, name):
        score, out = fitted(name, [outputs_of(0, 3)]), outputs_of(1, 2)
        fused = postprocess(out, {"score": score}, band_columns=4).scores["score"]
        torch.testing.assert_close(fused, score(out), rtol=1e-4, atol=1e-4)

    def test_is_the_same_from_a_file(self, name, tmp_path):
        score = fitted(name, [outputs_of(0, 3)])
        save_scores({name: score}, tmp_path / "fitted.safetensors")
        loaded = load_scores(tmp_path / "fitted.safetensors")
        assert list(loaded) == [name]
        assert replace(loaded[name], function=score.function) == score
        torch.testing.assert_close(loaded[name](outputs_of(1, 1)), score(outputs_of(1, 1)), rtol=0, atol=0)

    def test_tells_another_network_in_one_line(self, name):
        score, statistics = fitted(name, [outputs_of(0, 3)]), FITTED[name].function(outputs_of(0, 1))
        more_classes = outputs_of(0, 1, num_classes=K + 1)
        with pytest.raises(OddscapeError, match=r"fitted to a network with 4 classes.*has 5 classes"):
            score(more_classes)
        with pytest.raises(OddscapeError, match=r"fitted to a network with 4 classes.*has 5 classes"):
            statistics.update(more_classes)
        with pytest.raises(OddscapeError, match=r"statistics|merged"):
            statistics.merge(FITTED[name].function(outputs_of(0, 1, num_classes=K + 1, channels=C + 1)))

    def test_has_nothing_to_learn_from_ignored_pixels_alone(self, name):
        out = outputs_of(0, 1)
        with pytest.raises(OddscapeError, match="nothing to fit a score to"):
            FITTED[name].function(out).fit()
        with pytest.raises(OddscapeError, match="nothing to fit a score to"):
            fitted(name, [out], [torch.full((1, 10, 14), 255)])

    def test_stays_finite_where_nothing_varies(self, name):
        constant = NativeMaps(torch.ones(1, K, 5, 7), features=torch.ones(1, C, 5, 7))
        out = replace(outputs_of(0, 1), native=constant)
        if name == "knn":
            with pytest.raises(OddscapeError, match="1 distinct features are too few"):
                fitted(name, [out])
        else:
            assert fitted(name, [out])(outputs_of(1, 1)).isfinite().all()

    def test_stays_finite_with_fewer_pixels_than_channels(self, name):
        # Three classes of which one has one pixel, and one that is never seen.
        out = outputs_of(0, 1, grid=(2, 5), size=(2, 5), channels=24)
        labels = torch.tensor([[[0, 0, 0, 0, 0], [1, 1, 1, 1, 2]]])
        assert fitted(name, [out], [labels])(outputs_of(1, 1, channels=24)).isfinite().all()

    def test_takes_half_precision_and_gives_gradients(self, name):
        score, out = fitted(name, [outputs_of(0, 3)]), outputs_of(1, 1)
        half = NativeMaps(out.native.logits.bfloat16(), features=out.native.features.bfloat16())
        assert score(replace(out, native=half)).dtype == torch.float32
        leaves = NativeMaps(out.native.logits.requires_grad_(), features=out.native.features.requires_grad_())
        score(replace(out, native=leaves)).sum().backward()
        read = leaves.features if FITTED[name].needs else leaves.logits
        assert read.grad.abs().sum() > 0

    def test_keeps_no_history(self, name):
        out = outputs_of(0, 1)
        leaves = NativeMaps(out.native.logits.requires_grad_(), features=out.native.features.requires_grad_())
        function = fitted(name, [replace(out, native=leaves)]).function
        tensors = [getattr(function, field.name) for field in fields(function)]
        assert not any(x.requires_grad for x in tensors if isinstance(x, torch.Tensor))

    def test_says_that_it_is_not_fitted(self, name):
        with pytest.raises(OddscapeError, match="not fitted"):
            FITTED[name].score()(outputs_of(0, 1))


@pytest.mark.parametrize("name", [name for name in FITTED if "features" in FITTED[name].needs])
class TestMethodsOnFeatures:
    def test_score_higher_what_is_far_from_known_data(self, name):
        known = outputs_of(1, 1)
        # A direction that no class has: one method looks at directions alone.
        away = torch.linalg.svd(known.native.features[0].flatten(1).T).Vh[-1]
        strange = replace(known.native, features=known.native.features + 30 * away[:, None, None])
        score = fitted(name, [outputs_of(0, 5)])
        assert score(replace(known, native=strange)).mean() > score(known).max()

    def test_name_a_missing_map(self, name):
        out = DenseOutput(NativeMaps(torch.randn(1, K, 5, 7)), (10, 14))
        with pytest.raises(OddscapeError, match="gives no features"):
            FITTED[name].function(out)
        with pytest.raises(OddscapeError, match=f"{name}.*needs features.*can be fitted to it: sml"):
            pick_methods([name], frozenset({"logits"}))

    def test_tell_features_of_other_channels(self, name):
        score = fitted(name, [outputs_of(0, 3)])
        with pytest.raises(OddscapeError, match=r"features of 6 channels.*features of 8 channels"):
            score(outputs_of(0, 1, channels=C + 2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(1, 5, 7), r"expected labels \[N, H, W\] = \[1, 10, 14\].*not \[1, 5, 7\]"),
        (torch.full((1, 10, 14), 4), "labels hold class 4, but the network knows 4, 0 … 3"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    out = outputs_of(0, 1)
    with pytest.raises(OddscapeError, match=message):
        FITTED["mahalanobis"].function(out).update(out, labels)


def test_picking_by_name():
    assert list(pick_methods(["all"], FIELDS)) == list(FITTED)
    assert list(pick_methods(["all"], frozenset({"logits"}))) == ["sml"]
    picked = pick_methods(["knn@neighbours=3,size=50"], FIELDS)["knn@neighbours=3,size=50"]
    assert picked.name == "knn@neighbours=3,size=50"
    statistics = picked.function(outputs_of(0, 1))
    assert (statistics.neighbours, statistics.coreset.size) == (3, 50)
    with pytest.raises(OddscapeError, match="unknown score to fit 'knm'; known: sml, mahalanobis"):
        pick_methods(["knm"], FIELDS)
    with pytest.raises(OddscapeError, match="'knn' has no parameter 'k'; it has: neighbours, size"):
        pick_methods(["knn@k=3"], FIELDS)
    with pytest.raises(OddscapeError, match=r"post-processing is for.*fit 'sml'"):
        pick_methods(["sml+smoothing"], FIELDS)
    with pytest.raises(OddscapeError, match="no score to fit"):
        pick_methods([], FIELDS)
