"""Each fitted score against scikit-learn or a naive float64 computation."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores.fitted import FITTED
from oddscape.scores.fitted.gmm import mixture

K, C, GRID = 4, 6, (6, 8)


@pytest.fixture
def train():
    return output_of(0, pictures=4)


@pytest.fixture
def held_out():
    return output_of(1, pictures=2)


def output_of(seed, pictures):
    """Correlated features of a different spread in each class, with their labels, all at picture size."""
    generator, fixed = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    weights, bias = torch.randn(K, C, generator=fixed), torch.randn(K, generator=fixed)
    lumps, spreads = 3 * torch.randn(K, C, generator=fixed), torch.randn(K, C, C, generator=fixed)
    labels = torch.randint(K - 1, (pictures, *GRID), generator=generator)  # the last class is never seen
    noise = torch.randn(pictures, *GRID, C, 1, generator=generator)
    features = lumps[labels] + (spreads[labels] @ noise).squeeze(-1)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = 255
    maps = NativeMaps((features @ weights.T + bias).movedim(-1, 1), features=features.movedim(-1, 1))
    return DenseOutput(maps, GRID), labels, features.flatten(0, -2).double().numpy(), weights, bias


def fitted(name, out, labels, **parameters):
    statistics = FITTED[name].function(out, **parameters)
    statistics.update(out, labels)
    return FITTED[name].score(statistics.fit())


def flat(maps):
    return maps.double().numpy().ravel()


def test_sml(train, held_out):
    out, labels, *_ = train
    logits = out.logits.double().movedim(1, -1).flatten(0, -2).numpy()
    kept = labels.flatten().numpy() != 255
    peak, predicted = logits.max(1), logits.argmax(1)
    groups = [peak[kept & (predicted == k)] for k in range(K)]
    seen = held_out[0].logits.double().movedim(1, -1).flatten(0, -2).numpy()
    wanted = [-(f.max() - groups[f.argmax()].mean()) / groups[f.argmax()].std() for f in seen]
    np.testing.assert_allclose(flat(fitted("sml", out, labels)(held_out[0])), wanted, rtol=1e-4, atol=1e-5)


def test_sml_of_a_class_hardly_seen_goes_by_all_pixels():
    # Class 0 is predicted thrice, class 1 once, class 2 never.
    peaks, classes = torch.tensor([1.0, 2.0, 6.0, 3.0]), torch.tensor([0, 0, 0, 1])
    logits = torch.full((1, 3, 1, 4), -9.0)
    logits[0, classes, 0, range(4)] = peaks
    score = fitted("sml", DenseOutput(NativeMaps(logits), (1, 4)), None)
    mean, deviation = score.function.mean.tolist(), score.function.deviation.tolist()
    assert mean == pytest.approx([3, 3, 3])
    assert deviation == pytest.approx([np.std([1, 2, 6]), np.std([1, 2, 6, 3]), np.std([1, 2, 6, 3])])


def test_sml_of_classes_that_tie_shares_their_statistics():
    function = FITTED["sml"].fitted(torch.tensor([1.0, 3.0, 50.0]), torch.tensor([1.0, 2.0, 50.0]))
    tied = DenseOutput(NativeMaps(torch.tensor([4.0, 4.0, 0.0]).view(1, 3, 1, 1)), (1, 1))
    assert function(tied).item() == pytest.approx((2 - 4) / 1.5)


@pytest.mark.parametrize("diagonal", [False, True])
def test_mahalanobis(train, held_out, diagonal):
    out, labels, x, *_ = train
    classes = labels.flatten().numpy()
    means = [x[classes == k].mean(0) for k in range(K - 1)]
    centred = np.concatenate([x[classes == k] - means[k] for k in range(K - 1)])
    model = EmpiricalCovariance(assume_centered=True).fit(centred)
    if diagonal:
        model._set_covariance(np.diag(model.covariance_.diagonal()))
    wanted = np.min([model.mahalanobis(held_out[2] - mean) for mean in means], 0)
    score = fitted("mahalanobis", out, labels, diagonal=diagonal, shrinkage=0)
    np.testing.assert_allclose(flat(score(held_out[0])), wanted, rtol=1e-3, atol=1e-3)


def test_gmm(train, held_out):
    out, labels, x, *_ = train
    classes = labels.flatten().numpy()
    groups = [x[classes == k] for k in range(K - 1)]
    model = mixture_model(
        np.array([len(group) for group in groups]) / sum(map(len, groups)),
        np.array([group.mean(0) for group in groups]),
        np.array([np.cov(group.T, bias=True) for group in groups]),
    )
    score = fitted("gmm", out, labels, prior=0, shrinkage=0)
    np.testing.assert_allclose(
        flat(score(held_out[0])), -model.score_samples(held_out[2]), rtol=1e-3, atol=1e-3
    )


def test_gmm_of_given_parameters(held_out):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(3, C, C))
    given = (
        np.array([0.2, 0.3, 0.5]),
        rng.normal(size=(3, C)),
        factors @ factors.transpose(0, 2, 1) + np.eye(C),
    )
    function = mixture(K, *map(torch.from_numpy, given))
    wanted = -mixture_model(*given).score_samples(held_out[2])
    np.testing.assert_allclose(flat(function(held_out[0])), wanted, rtol=1e-4, atol=1e-4)


def mixture_model(weights, means, covariances):
    model = GaussianMixture(len(weights), covariance_type="full")
    model.weights_, model.means_, model.covariances_ = weights, means, covariances
    model.precisions_cholesky_ = np.array([np.linalg.inv(np.linalg.cholesky(s)).T for s in covariances])
    return model


def test_gmm_of_a_class_of_one_pixel_varies_as_all_do():
    out, labels, x, *_ = output_of(0, pictures=4)
    labels = torch.where(labels == 0, 255, labels)
    labels[0, 0, 0] = 0
    function = fitted("gmm", out, labels, shrinkage=0).function
    classes = labels.flatten().numpy()
    centred = np.concatenate([x[classes == k] - x[classes == k].mean(0) for k in range(K - 1)])
    shared = centred.T @ centred / len(centred)
    whiten = function.whitenings[0].double().numpy()
    np.testing.assert_allclose(np.linalg.inv(whiten.T @ whiten), C / (C + 1) * shared, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("neighbours", [1, 7])
def test_knn(train, held_out, neighbours):
    out, labels, x, *_ = train
    known = x[labels.flatten().numpy() != 255]
    unit, seen = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (known, held_out[2]))
    wanted = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(unit).kneighbors(seen)[0][:, -1]
    score = fitted("knn", out, labels, neighbours=neighbours)
    np.testing.assert_allclose(flat(score(held_out[0])), wanted, atol=1e-5)
    assert flat(fitted("knn", out, labels, neighbours=1)(out))[labels.flatten() != 255].max() < 1e-6


def test_knn_with_centres(train, held_out):
    out, labels, x, *_ = train
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    everything = fitted("knn", out, labels).function.directions
    assert len(everything) == (labels != 255).sum()
    centres = fitted("knn", out, labels, centres=20).function.directions
    between = np.linalg.norm(everything[:, None].double() - everything[None].double(), axis=-1)
    naive = [0]
    while len(naive) < 20:
        naive.append(int(between[:, naive].min(1).argmax()))
    assert torch.equal(centres, everything[naive])
    assert np.linalg.norm(unit[:, None] - centres.double().numpy()[None], axis=-1).min(0).max() < 1e-6
    nearest = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(centres.double().numpy())
    seen = held_out[2] / np.linalg.norm(held_out[2], axis=1, keepdims=True)
    score = fitted("knn", out, labels, centres=20)(held_out[0])
    np.testing.assert_allclose(flat(score), nearest.kneighbors(seen)[0][:, -1], atol=1e-5)
    for parameters in ({"centres": 5000}, {"size": 5000, "centres": 5000}):
        assert torch.equal(fitted("knn", out, labels, **parameters).function.directions, everything)


@pytest.mark.parametrize("parameters", [{"centres": 4}, {"size": 4}, {"neighbours": 30, "centres": 29}])
def test_knn_without_room_for_neighbours(train, parameters):
    with pytest.raises(OddscapeError, match="distinct features are too few for the distance to neighbour"):
        FITTED["knn"].function(train[0], **parameters)


def naive_vim(x, max_logits, origin, dimensions, seen, seen_logits):
    """The paper's steps, on all data at once."""
    _, vectors = np.linalg.eigh((x - origin).T @ (x - origin))
    residual = vectors[:, : C - dimensions]
    alpha = max_logits.sum() / np.linalg.norm((x - origin) @ residual, axis=1).sum()
    return alpha * np.linalg.norm((seen - origin) @ residual, axis=1) - logsumexp(seen_logits, axis=1)


@pytest.mark.parametrize("dimensions", [None, 0, 5])
def test_vim(train, held_out, dimensions):
    out, labels, x, weights, bias = train
    kept = labels.flatten().numpy() != 255
    weights, bias = weights.double().numpy(), bias.double().numpy()
    wanted = naive_vim(
        x[kept],
        (x @ weights.T + bias)[kept].max(1),
        -np.linalg.pinv(weights) @ bias,
        C // 2 if dimensions is None else dimensions,
        held_out[2],
        held_out[2] @ weights.T + bias,
    )
    score = fitted("vim", out, labels, dimensions=dimensions)
    np.testing.assert_allclose(flat(score(held_out[0])), wanted, rtol=1e-3, atol=1e-3)


def test_vim_finds_the_classifier_in_logits_of_twice_the_resolution(train):
    # A transposed convolution as wide as its stride, as ERFNet ends.
    out, *_ = train
    torch.manual_seed(0)
    classifier = torch.nn.ConvTranspose2d(C, K, 2, stride=2)
    logits = classifier(out.native.features).detach()
    finer = DenseOutput(NativeMaps(logits, features=out.native.features), (12, 16))
    mean_weights = classifier.weight.detach().mean((2, 3)).T.double()
    origin = -torch.linalg.pinv(mean_weights) @ classifier.bias.detach().double()
    found = fitted("vim", finer, None).function.origin
    np.testing.assert_allclose(found, origin, rtol=1e-4, atol=1e-4)


def test_vim_goes_by_the_mean_where_logits_are_no_affine_function_of_features(train):
    out, _, x, *_ = train
    bent = DenseOutput(NativeMaps(out.native.logits.square(), features=out.native.features), GRID)
    np.testing.assert_allclose(fitted("vim", bent, None).function.origin, x.mean(0), rtol=1e-5)


def test_vim_where_channels_depend_on_each_other(train):
    # Least squares have many solutions; the shortest leaves the dead and the doubled channel alone.
    out, *_ = train
    features = out.native.features.clone()
    features[:, 1], features[:, 2] = 5.0, features[:, 0]
    logits = torch.einsum("kc,nchw->nkhw", torch.eye(C)[[0, 3, 4, 5]], features) + 1
    origin = fitted("vim", DenseOutput(NativeMaps(logits, features=features), GRID), None).function.origin
    np.testing.assert_allclose(origin, [-1, 0, -1, -1, -1, -1], atol=1e-4)


def test_vim_names_the_dimensions_that_there_are(train):
    with pytest.raises(OddscapeError, match=r"subspace of 6 dimensions: expected 0 to 5.*6 channels"):
        FITTED["vim"].function(train[0], dimensions=6)


def test_labels_are_taken_at_the_nearest_pixel():
    features = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 1, 2, 2)
    out = DenseOutput(NativeMaps(torch.zeros(1, 2, 2, 2), features=features), (6, 6))
    labels = torch.full((1, 6, 6), 255)
    labels[0, 1, 1], labels[0, 4, 4] = 0, 1  # the pixels in the middle of the first and the last cell
    statistics = FITTED["mahalanobis"].function(out)
    statistics.update(out, labels)
    assert statistics.moments.mean.flatten().tolist() == [1, 1000]
    assert statistics.moments.count.tolist() == [1, 1]
