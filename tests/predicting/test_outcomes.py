"""What became of pictures and videos, counted and told."""

from pathlib import Path

import pytest

from oddscape.predicting.inputs import Input
from oddscape.predicting.outcomes import FAILURES, Outcome, Tally


def tally_of(failures, videos=0, done=0):
    """So many pictures and videos that failed, and pictures that were done before."""
    tally = Tally()
    for number in range(failures):
        tally.add(Outcome(Input(Path(f"{number}.png"), str(number)), f"{number}.png: bad"))
    for number in range(videos):
        tally.add(Outcome(Input(Path(f"{number}.mp4"), f"v{number}"), f"{number}.mp4: bad"))
    for number in range(done):
        tally.add(Outcome(Input(Path(f"d{number}.png"), f"d{number}"), was_done=True))
    tally.add(Outcome(Input(Path("good.png"), "good")))
    return tally


def test_pictures_and_videos_are_counted_apart():
    tally = tally_of(2, videos=1, done=4)
    assert (tally.failed_pictures, tally.failed_videos, tally.done_before) == (2, 1, 4)
    assert Input(Path("1.png"), "1") in tally.failures
    assert Input(Path("good.png"), "good") not in tally.failures


@pytest.mark.parametrize(
    ("pictures", "videos", "told"),
    [(1, 0, "0.png: bad"), (2, 1, "0.png: bad; 1.png: bad; 0.mp4: bad")],
)
def test_a_few_failures_are_all_told_in_a_line(tmp_path, pictures, videos, told):
    assert tally_of(pictures, videos).tell_failures(tmp_path) == told
    assert not (tmp_path / FAILURES).exists()


def test_of_many_failures_all_are_in_a_file(tmp_path):
    first = "0.png: bad; 1.png: bad; 2.png: bad; and 2 more"
    assert tally_of(5).tell_failures(None) == first
    assert tally_of(5).tell_failures(tmp_path) == f"{first}, in {tmp_path / FAILURES}"
    lines = (tmp_path / FAILURES).read_text().splitlines()
    assert lines == [f"{number}.png: bad" for number in range(5)]
