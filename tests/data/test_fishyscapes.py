"""Fishyscapes' two validation sets, as they come and as they are passed on."""

import numpy as np
import pytest

import oddscape.data
from oddscape.errors import OddscapeError

IMAGE = np.zeros((2, 3, 3), np.uint8)
TRUTH = np.array([[0, 1, 255], [0, 0, 1]], np.uint8)
LAF = "fishyscapes-lost-and-found"
IDS = ("04_Maurener_Weg_8_000000_000030", "04_Maurener_Weg_8_000000_000040", "07_Festplatz_000002_000010")


@pytest.fixture
def densehybrid(save, tmp_path):
    for id_ in IDS:
        street = id_[:5]
        save(f"leftImg8bit/test/{street}/{id_}_leftImg8bit.png", IMAGE)
        save(
            f"ood/test/{street}/{id_}_ood_segmentation.png", np.where(TRUTH == 255, 2, TRUTH).astype(np.uint8)
        )
    return tmp_path


@pytest.fixture
def benchmark_masks(save, tmp_path):
    """The benchmark's masks beside all of Lost and Found's pictures, of which they choose three."""
    for id_ in (*IDS, "07_Festplatz_000002_000020"):
        save(f"leftImg8bit/test/{id_[:5]}/{id_}_leftImg8bit.png", IMAGE)
    for number, id_ in enumerate(IDS):
        save(f"fishyscapes_lostandfound/{number:04d}_{id_}_labels.png", TRUTH)
    return tmp_path


def check_lost_and_found(dataset):
    assert [entry.name for entry in dataset.entries] == list(IDS)
    assert [entry.sequence for entry in dataset.entries] == [
        "04_Maurener_Weg_8_000000",
        "04_Maurener_Weg_8_000000",
        "07_Festplatz_000002",
    ]
    for scene in dataset:
        np.testing.assert_array_equal(scene.anomaly, TRUTH)


def test_densehybrids_packaging_ignores_two(densehybrid, save):
    dataset = oddscape.data.open(LAF, densehybrid)
    check_lost_and_found(dataset)
    assert dataset.packaging.startswith("DenseHybrid's")
    save(f"ood/test/{IDS[0][:5]}/{IDS[0]}_ood_segmentation.png", TRUTH)
    with pytest.raises(OddscapeError, match=r"unknown label value \[255\]: .* knows \[0 to 2\]"):
        oddscape.data.open(LAF, densehybrid)[0]


def test_densehybrids_picture_without_mask_is_named(densehybrid):
    (densehybrid / f"ood/test/{IDS[1][:5]}/{IDS[1]}_ood_segmentation.png").unlink()
    with pytest.raises(
        OddscapeError, match=rf"no label file {IDS[1]}_ood_segmentation\.png in .*ood/test/04_Ma"
    ):
        oddscape.data.open(LAF, densehybrid)


def test_the_benchmarks_masks_choose_their_pictures(benchmark_masks):
    dataset = oddscape.data.open(LAF, benchmark_masks)
    check_lost_and_found(dataset)
    assert dataset.packaging == "the benchmark's masks beside Lost and Found's pictures"


def test_mask_without_its_picture_is_named(benchmark_masks):
    (benchmark_masks / f"leftImg8bit/test/{IDS[0][:5]}/{IDS[0]}_leftImg8bit.png").unlink()
    with pytest.raises(
        OddscapeError, match=rf"0000_{IDS[0]}_labels\.png: no picture {IDS[0]}_leftImg8bit\.png"
    ):
        oddscape.data.open(LAF, benchmark_masks)


@pytest.mark.parametrize("name", [LAF, "fishyscapes-static"])
@pytest.mark.parametrize("folders", [("images", "labels_masks"), ("original", "labels")])
def test_pictures_beside_masks_ignore_255_and_name_no_recording(save, tmp_path, name, folders):
    for number in (10, 9):
        save(f"{folders[0]}/{number}.png", IMAGE)
        save(f"{folders[1]}/{number}.png", TRUTH)
    dataset = oddscape.data.open(name, tmp_path)
    assert [(entry.name, entry.sequence) for entry in dataset.entries] == [("9", ""), ("10", "")]
    np.testing.assert_array_equal(dataset[0].anomaly, TRUTH)


@pytest.fixture
def static(save, tmp_path):
    def make(pictures, masks):
        for id_ in ("0001_a", "0000_b"):
            save(f"{pictures}/{id_}_rgb.jpg", IMAGE)
            save(f"{masks}/{id_}_labels.png", TRUTH)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("pictures", "masks", "version"),
    [
        ("fs_static", "fs_static", "its version cannot be told"),
        ("fs_val_v3", "fs_val_v3", "version 3"),
        ("deep/fs_static_images_v1", "deep/fs_val_v1", "version 1"),
        ("pictures_v2", "masks", "version 2"),
    ],
)
def test_static_is_found_by_name_wherever_it_lies(static, pictures, masks, version):
    dataset = oddscape.data.open("fishyscapes-static", static(pictures, masks))
    assert [entry.name for entry in dataset.entries] == ["0000_b", "0001_a"]
    np.testing.assert_array_equal(dataset[1].anomaly, TRUTH)
    assert version in dataset.packaging


def test_several_versions_of_static_are_not_mixed(static):
    static("fs_val_v1", "fs_val_v1")
    folder = static("fs_val_v2", "fs_val_v2")
    with pytest.raises(
        OddscapeError, match=r"versions 1, 2 lie below .*: open the folder of one, or give ver"
    ):
        oddscape.data.open("fishyscapes-static", folder)
    one = oddscape.data.open("fishyscapes-static", folder, version="2")
    assert {path.parent.name for entry in one.entries for path in (entry.image, entry.truth)} == {"fs_val_v2"}
    assert len(oddscape.data.open("fishyscapes-static", folder / "fs_val_v1")) == 2
    with pytest.raises(OddscapeError, match=r"no version '3' below .*; there is 1, 2"):
        oddscape.data.open("fishyscapes-static", folder, version="3")


def test_static_picture_without_mask_is_named(static):
    folder = static("a", "a")
    (folder / "a/0000_b_labels.png").unlink()
    with pytest.raises(OddscapeError, match=r"0000_b_rgb\.jpg: no label file 0000_b_labels\.png in .*/a$"):
        oddscape.data.open("fishyscapes-static", folder)


def test_overlays_are_no_pictures(tmp_path):
    np.savez(tmp_path / "0000_b_rgb.npz", a=1)
    with pytest.raises(
        OddscapeError, match=r"holds Fishyscapes' overlays \(\*\.npz\), not pictures: lay them"
    ):
        oddscape.data.open("fishyscapes-static", tmp_path)


@pytest.mark.parametrize("name", [LAF, "fishyscapes-static"])
def test_folder_of_another_layout_is_told_what_is_expected(tmp_path, name):
    with pytest.raises(OddscapeError, match=r"no (folder|picture) .*expected .*, or images/<id>"):
        oddscape.data.open(name, tmp_path)
