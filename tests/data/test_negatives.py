import numpy as np
import pytest

import oddscape.data
from oddscape.data.coco_outlines import coco_outlines_of
from oddscape.errors import OddscapeError

IMAGE = np.zeros((8, 10, 3), np.uint8)
PERSON, DOG, CAT = 0, 16, 15


@pytest.fixture
def ade(save, tmp_path):
    save("images/training/ADE_1.jpg", IMAGE)
    save("annotations/training/ADE_1.png", (np.arange(80) % 151).astype(np.uint8).reshape(8, 10))
    return tmp_path


def test_every_id_of_ade20k_is_a_segment(ade):
    scene = oddscape.data.open("ade20k", ade)[0]
    np.testing.assert_array_equal(scene.labels.ravel(), np.arange(80))
    assert scene.anomaly is None


def test_ade20k_ends_at_150(ade, save):
    save("annotations/training/ADE_1.png", np.full((8, 10), 151, np.uint8))
    with pytest.raises(OddscapeError, match=r"ADE_1\.png: unknown label value 151: ade20k knows 0 to 150"):
        oddscape.data.open("ade20k", ade)[0]


def test_ade20k_errors_name_what_is_wrong(ade):
    with pytest.raises(OddscapeError, match=r"ade20k: 'test' is not one of training, validation"):
        oddscape.data.open("ade20k", ade, split="test")
    with pytest.raises(OddscapeError, match=r"no folder .*images/validation; expected images/"):
        oddscape.data.open("ade20k", ade, split="validation")


def box(category, left, top, right, bottom):
    return f"{category} {left} {top} {right} {top} {right} {bottom} {left} {bottom}"


@pytest.fixture
def coco(save, tmp_path):
    """Put each text beside a picture of 10x8; return the folder."""

    def make(*texts):
        (tmp_path / "labels/train2017").mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(texts):
            save(f"images/train2017/{number}.jpg", IMAGE)
            (tmp_path / f"labels/train2017/{number}.txt").write_text(text)
        return tmp_path

    return make


def test_outlines_are_filled_with_their_category(coco):
    labels = oddscape.data.open("coco-outlines", coco(box(DOG, 0.2, 0.25, 0.6, 0.75)))[0].labels
    assert (labels[3:5, 3:5] == DOG).all()
    assert (labels[[0, -1]] == 255).all()
    assert (labels[:, [0, 1, -1, -2]] == 255).all()
    assert set(np.unique(labels)) == {DOG, 255}


@pytest.mark.parametrize("person_first", [True, False])
def test_what_lies_under_an_excluded_outline_is_never_pasted(coco, person_first):
    lines = [box(PERSON, 0.5, 0, 1, 1), box(DOG, 0, 0, 1, 1)]
    folder = coco("\n".join(lines if person_first else lines[::-1]))
    labels = oddscape.data.open("coco-outlines", folder)[0].labels
    assert (labels[:, 5:] == 255).all()
    assert (labels[:, :5] == DOG).all()


def test_exclusion_is_a_choice(coco):
    folder = coco(f"{box(PERSON, 0, 0, 1, 1)}\n", box(CAT, 0, 0, 1, 1), "\n")
    default = oddscape.data.open("coco-outlines", folder)
    assert [scene.name for scene in default] == ["1"]
    other = oddscape.data.open("coco-outlines", folder, exclude=["cat"])
    assert [scene.name for scene in other] == ["0"]
    assert (other[0].labels == PERSON).all()


def test_picture_without_text_shows_nothing(coco, save):
    folder = coco(box(CAT, 0, 0, 1, 1))
    save("images/train2017/5.jpg", IMAGE)
    assert len(oddscape.data.open("coco-outlines", folder)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80 0 0 1 0 1 1", r"0\.txt:1: unknown category '80': COCO has 0 to 79"),
        ("dog 0 0 1 0 1 1", r"0\.txt:1: unknown category 'dog'"),
        ("\n16 0 0 1 0 1 one", r"0\.txt:2: an outline is made of numbers: .*one"),
        ("16 0.5 0.5 0.2 0.2", r"0\.txt:1: an outline has at least three pairs"),
        ("16 0 0 1 0 1 1 1", r"0\.txt:1: an outline has at least three pairs"),
        ("16 0 0 640 0 640 480", r"0\.txt:1: .* each from 0 to 1"),
        ("16 0 0 nan 0 1 1", r"0\.txt:1: .* each from 0 to 1"),
        ("", r"no object that may be pasted in .*train2017"),
        (box(PERSON, 0, 0, 1, 1), r"no object that may be pasted in .*; excluded are person, bicycle"),
    ],
)
def test_bad_outlines_are_one_line(coco, text, message):
    with pytest.raises(OddscapeError, match=message):
        oddscape.data.open("coco-outlines", coco(text))


def test_some_categories_alone(coco):
    folder = coco(f"{box(DOG, 0, 0, 0.5, 1)}\n{box(PERSON, 0.4, 0, 1, 1)}", box(CAT, 0, 0, 1, 1))
    dataset = coco_outlines_of(folder, ["person"])
    assert [entry.name for entry in dataset.entries] == ["0"]
    assert set(np.unique(dataset[0].labels)) == {PERSON, 255}
    with pytest.raises(OddscapeError, match="COCO has no category unicorn"):
        coco_outlines_of(folder, ["unicorn"])


def test_unknown_category_and_folder(coco):
    folder = coco(box(CAT, 0, 0, 1, 1))
    with pytest.raises(OddscapeError, match=r"no category unicorn; it has person, bicycle"):
        oddscape.data.open("coco-outlines", folder, exclude=("unicorn",))
    with pytest.raises(OddscapeError, match=r"no folder .*labels/val2017; expected"):
        oddscape.data.open("coco-outlines", folder, split="val2017")


def test_real_outlines(shared_data):
    dataset = oddscape.data.open("coco-outlines", shared_data / "coco128")
    assert len(dataset) == 117
    for index in range(0, 117, 9):
        scene = dataset[index]
        assert scene.labels.shape == scene.size
        assert set(np.unique(scene.labels)) <= {255, *range(80)} - {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12}
