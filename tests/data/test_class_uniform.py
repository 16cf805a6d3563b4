import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddscape.data.class_uniform import ClassUniform, centred_on, class_uniform
from oddscape.data.dataset import Entry, class_dataset
from oddscape.data.label_spaces import numbered_classes
from oddscape.data.training_pictures import TrainingPictures
from oddscape.data.transforms import View
from oddscape.errors import OddscapeError

SPACE = numbered_classes("made", dict.fromkeys(("road", "car", "rider"), (1, 2, 3)), first=4, ignored={9})


@pytest.fixture
def dataset(save):
    """Ten pictures of 60x40 of road; one shows a rider of 4x4 pixels, none shows a car."""
    entries = []
    for number in range(10):
        raw = np.full((40, 60), 4, np.uint8)
        raw[:, 50:] = 9
        if number == 7:
            raw[30:34, 20:24] = 6
        image = save(f"images/{number}.png", np.zeros((40, 60, 3), np.uint8))
        entries.append(Entry(str(number), image, save(f"labels/{number}.png", raw)))
    return class_dataset("made", SPACE, entries)


def test_it_knows_which_pictures_show_which_class(dataset):
    found = class_uniform(dataset, 0.5)
    assert {train_id: list(pictures) for train_id, pictures in found.pictures.items()} == {
        0: list(range(10)),
        2: [7],
    }


def test_half_the_samples_are_random_and_the_others_are_shared_among_classes(dataset):
    sampling, rng = class_uniform(dataset, 0.5), np.random.default_rng(0)
    drawn = [sampling.draw(3, rng) for _ in range(4000)]
    counts = {target: sum(d[1] == target for d in drawn) / len(drawn) for target in (None, 0, 2)}
    assert counts == pytest.approx({None: 0.5, 0: 0.25, 2: 0.25}, abs=0.03)
    assert {index for index, target in drawn if target is None} == {3}
    assert {index for index, target in drawn if target == 2} == {7}
    assert {index for index, target in drawn if target == 0} == set(range(10))


@given(
    row=st.integers(0, 19),
    column=st.integers(0, 29),
    factor=st.floats(0.5, 2.0),
    size=st.tuples(st.integers(3, 50), st.integers(3, 50)),
)
def test_a_view_is_centred_as_far_as_edges_let_it(row, column, factor, size):
    labels = np.zeros((20, 30), np.uint8)
    labels[row, column] = 1
    scaled = (int(20 * factor), int(30 * factor))
    view = centred_on(1, View(scaled, (0, 0), size), labels, np.random.default_rng(0))
    assert (view.scaled, view.size) == (scaled, size)
    for corner, at, have, full, length in zip(
        view.corner, (row, column), (20, 30), scaled, size, strict=True
    ):
        place = (at + 0.5) * full / have
        assert corner <= place < corner + length
        if 0 < corner < full - length:
            assert abs(corner + length / 2 - place) <= 1
        assert 0 <= corner <= max(full - length, 0)


def test_training_pictures_show_the_rare_class_about_as_often_as_drawn(dataset):
    def share(**options):
        pictures = TrainingPictures(dataset, (16, 16), scale=None, seed=1, **options)
        samples = []
        for epoch in range(30):
            pictures.set_epoch(epoch)
            samples += [bool((pictures[index]["labels"] == 2).any()) for index in range(len(pictures))]
        return np.mean(samples)

    assert share() < 0.05
    assert share(class_uniform=class_uniform(dataset, 1.0)) > 0.45


def test_a_sample_depends_on_seed_epoch_and_index_alone(dataset):
    def made():
        return TrainingPictures(dataset, (16, 16), class_uniform=class_uniform(dataset, 0.5), seed=5)

    one, other = made(), made()
    backwards = [other[index] for index in reversed(range(10))][::-1]
    for index in range(10):
        assert all((one[index][key] == backwards[index][key]).all() for key in one[index])


def test_with_probability_nought_no_sample_is_centred():
    never = ClassUniform(0.0, {0: np.arange(10)})
    assert [never.draw(index, np.random.default_rng(0)) for index in range(3)] == [
        (i, None) for i in range(3)
    ]


def test_masks_without_any_known_class_are_said(save):
    image = save("images/0.png", np.zeros((4, 4, 3), np.uint8))
    mask = save("labels/0.png", np.full((4, 4), 9, np.uint8))
    with pytest.raises(OddscapeError, match="made: no mask shows a known class"):
        class_uniform(class_dataset("made", SPACE, [Entry("0", image, mask)]), 0.5)
