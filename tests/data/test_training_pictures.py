import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from oddscape.data.cache import SceneCache
from oddscape.data.dataset import Dataset, Entry
from oddscape.data.files import read_mask
from oddscape.data.object_pasting import ObjectPasting
from oddscape.data.pasting import unmixed
from oddscape.data.streethazards import STREETHAZARDS_12
from oddscape.data.training_pictures import Negatives, TrainingPictures
from oddscape.errors import OddscapeError
from oddscape.training.losses import Batch


class Counted:
    """Scenes that count how often they are read."""

    def __init__(self, scenes):
        self.scenes, self.reads = scenes, 0

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        self.reads += 1
        return self.scenes[index]


def read_truth(path, size):
    labels = read_mask(path, size)
    return labels, np.where(labels == 255, labels, 0).astype(np.uint8)


@pytest.fixture
def pictures(save):
    """Six pictures of 60x40."""
    rng = np.random.default_rng(0)
    entries = []
    for number in range(6):
        image = save(f"known/{number}.png", rng.integers(0, 256, (40, 60, 3), np.uint8))
        truth = save(f"truth/{number}.png", rng.integers(0, 12, (40, 60), np.uint8))
        entries.append(Entry(str(number), image, truth))
    return Dataset("made", STREETHAZARDS_12, tuple(entries), read_truth)


@pytest.fixture
def mixed(pictures):
    """Training pictures of 32x24 with negatives."""
    return TrainingPictures(pictures, (24, 32), negatives=negatives(pictures), seed=3)


def negatives(pictures, **options):
    return Negatives(pictures, **{"shorter_side": 24, "crop": (20, 24)} | options)


def same(first, second):
    return all(torch.equal(first[key], second[key]) for key in first)


def test_sample_is_what_a_loop_takes(mixed):
    sample = mixed[0]
    assert {key: (tuple(value.shape), value.dtype) for key, value in sample.items()} == {
        "image": ((3, 24, 32), torch.uint8),
        "labels": ((24, 32), torch.uint8),
        "pasted": ((24, 32), torch.bool),
        "left_out": ((24, 32), torch.bool),
    }
    assert sample["image"].min() < 50
    assert sample["image"].max() > 200
    assert sample["pasted"].any()
    assert (sample["labels"][sample["pasted"]] == 255).all()


def test_batch_becomes_what_networks_and_losses_take_on_its_device(mixed):
    loaded = Batch(**next(iter(DataLoader(mixed, batch_size=3))))
    batch = loaded.to(torch.device("cpu"))
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(batch.image, loaded.image / torch.tensor(255.0), rtol=0, atol=0)
    assert batch.labels.dtype == torch.int64
    assert torch.equal(batch.labels, loaded.labels)
    again = batch.to(torch.device("cpu"))
    assert torch.equal(again.image, batch.image)


def test_samples_are_nobody_elses(pictures):
    training = TrainingPictures(pictures, None, scale=None, flip=False)
    before = {key: value.clone() for key, value in training[0].items()}
    for value in training[0].values():
        value.fill_(1)
    assert same(training[0], before)


def test_sample_depends_on_seed_epoch_and_index_alone(mixed, pictures):
    first = [mixed[index] for index in range(6)]
    again = TrainingPictures(pictures, (24, 32), negatives=negatives(pictures), seed=3, cache_bytes=0)
    assert all(same(again[index], first[index]) for index in (5, 0, 3))
    mixed.set_epoch(1)
    assert not same(mixed[0], first[0])
    mixed.set_epoch(0)
    assert same(mixed[0], first[0])
    other = TrainingPictures(pictures, (24, 32), negatives=negatives(pictures), seed=4)
    assert not same(other[0], first[0])


def test_crops_are_the_same_without_negatives(mixed, pictures):
    plain = TrainingPictures(pictures, (24, 32), seed=3)
    for index in range(6):
        kept = ~mixed[index]["pasted"]
        assert not plain[index]["pasted"].any()
        assert torch.equal(mixed[index]["image"][:, kept], plain[index]["image"][:, kept])
        assert torch.equal(mixed[index]["labels"][kept], plain[index]["labels"][kept])


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_that_live_on_see_the_new_epoch(mixed, workers):
    loader = DataLoader(mixed, batch_size=2, num_workers=workers, persistent_workers=workers > 0)
    for epoch in range(2):
        mixed.set_epoch(epoch)
        batches = list(loader)
        for index in range(6):
            assert torch.equal(batches[index // 2]["image"][index % 2], mixed[index]["image"])


def test_accelerate_keeps_the_epoch_that_both_were_told(mixed):
    from accelerate.data_loader import prepare_data_loader

    loader = prepare_data_loader(DataLoader(mixed, batch_size=6), num_processes=1, process_index=0)
    expected = []
    for epoch in (5, 0):
        mixed.set_epoch(epoch)
        expected.append(mixed[0]["image"])
    for epoch, image in zip((5, 0), expected, strict=True):
        loader.set_epoch(epoch)
        mixed.set_epoch(epoch)
        assert torch.equal(next(iter(loader))["image"][0], image)


def test_whole_pictures_unchanged(pictures):
    whole = TrainingPictures(pictures, None, scale=None, flip=False)
    scene = pictures[2]
    assert torch.equal(whole[2]["image"], torch.from_numpy(scene.image).permute(2, 0, 1))
    np.testing.assert_array_equal(whole[2]["labels"].numpy(), scene.labels)


def test_small_pictures_are_padded_as_void(pictures):
    sample = TrainingPictures(pictures, (50, 70), scale=None, flip=False, pad_colour=(255, 0, 51))[0]
    assert (sample["labels"][40:] == 255).all()
    assert (sample["labels"][:, 60:] == 255).all()
    assert not sample["left_out"].any()
    assert sample["image"][:, 45, 65].tolist() == [255, 0, 51]


def test_padding_of_a_negative_is_never_pasted(pictures):
    small = negatives(pictures, shorter_side=18, crop=(24, 32), pad_colour=(1, 2, 3), rectangle_probability=1)
    mixed = TrainingPictures(pictures, (24, 32), negatives=small)
    padding = torch.tensor([1, 2, 3])
    for index in range(6):
        pasted = mixed[index]["image"][:, mixed[index]["pasted"]]
        assert pasted.numel() > 0
        assert not (pasted == padding[:, None]).all(0).any()


def test_negatives_can_be_scaled(pictures):
    scaled = negatives(pictures, scale=(0.5, 2.0), rectangle_probability=0)
    plain = negatives(pictures, rectangle_probability=0)
    first, second = (TrainingPictures(pictures, (24, 32), negatives=how) for how in (scaled, plain))
    assert not same(first[0], second[0])


def test_each_picture_is_decoded_once(pictures):
    scenes = Counted(list(pictures))
    training = TrainingPictures(pictures, (24, 32), negatives=negatives(scenes))
    for _ in range(10):
        [training[index] for index in range(6)]
    assert scenes.reads <= 6


def test_cache_keeps_within_its_limit(pictures):
    scenes = Counted(list(pictures))
    size = 40 * 60 * 5
    cache = SceneCache(scenes, 2 * size + 1)
    for _ in range(3):
        assert [cache[index].name for index in range(6)] == list("012345")
    assert scenes.reads == 6 + 2 * 4
    assert cache.room == 1


def test_errors_come_before_the_first_picture(pictures):
    with pytest.raises(OddscapeError, match="negatives of 24x20 do not fit into crops of 32x16"):
        TrainingPictures(pictures, (16, 32), negatives=negatives(pictures))
    masks = Dataset("roadanomaly21", None, pictures.entries, read_truth)
    with pytest.raises(OddscapeError, match="roadanomaly21 has no class labels to train on"):
        TrainingPictures(masks, (16, 32))


def test_real_held_out_pixels_are_left_out(shared_data):
    import oddscape.data

    camvid = oddscape.data.open("camvid", shared_data / "camvid", split="train")
    coco = oddscape.data.open("coco-outlines", shared_data / "coco128")
    training = TrainingPictures(camvid, (256, 256), negatives=Negatives(coco, 240, crop=(160, 160)))
    samples = [training[index] for index in range(12)]
    assert any(sample["left_out"].any() for sample in samples)
    assert any(sample["pasted"].any() for sample in samples)
    for sample in samples:
        assert not (sample["left_out"] & sample["pasted"]).any()
        assert (sample["labels"][sample["left_out"] | sample["pasted"]] == 255).all()


def test_objects_take_the_place_of_pieces_and_are_as_blurred_as_the_picture(pictures, monkeypatch):
    told = []

    def paste_objects(scene, _negatives, _rng, pasting, enlarged, _known):
        told.append((scene.size, pasting, enlarged))
        return unmixed(scene)

    monkeypatch.setattr("oddscape.data.training_pictures.paste_objects", paste_objects)
    objects = ObjectPasting(count=(1, 2))
    enlarged = TrainingPictures(
        pictures, (24, 32), size=(100, 120), scale=None, negatives=negatives(pictures, objects=objects)
    )
    _ = enlarged[0]
    assert told == [((24, 32), objects, 2.5)]


def test_colours_are_jittered_within_their_range_and_labels_are_not(pictures):
    plain, jittered = (
        TrainingPictures(pictures, None, scale=None, flip=False, colour_jitter=strength)
        for strength in (0.0, 0.4)
    )
    for index in range(len(pictures)):
        assert torch.equal(jittered[index]["labels"], plain[index]["labels"])
        assert not torch.equal(jittered[index]["image"], plain[index]["image"])
        assert same(jittered[index], jittered[index])
