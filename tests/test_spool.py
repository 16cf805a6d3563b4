"""Arrays that wait on disk."""

import gc
import pickle

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.spool import Spool


def test_groups_come_back_as_they_went_as_often_as_asked():
    spool, rng = Spool(), np.random.default_rng(0)
    groups = [(rng.random((3, n)).astype(np.float16), np.arange(n, dtype=np.uint8)) for n in (2, 5)]
    for group in groups:
        spool.append(*group)
    for _ in range(2):
        for wanted, found in zip(groups, spool, strict=True):
            for one, other in zip(wanted, found, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
    spool.append(*groups[0])
    assert len(list(spool)) == 3


def test_nothing_stays_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool()
    spool.append(np.zeros(9))
    assert list(tmp_path.iterdir()) == []
    file = spool._file
    del spool
    gc.collect()
    assert file.closed


def test_a_full_disk_is_one_line():
    spool = Spool()
    spool._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    with pytest.raises(OddscapeError, match=r"cannot keep scores in .*: .*TMPDIR names another folder"):
        spool.append(np.zeros(100_000))
    spool._file.close()


def test_a_spool_goes_to_another_process_as_a_whole():
    spool = Spool()
    for number in range(3):
        spool.append(np.full(4, number), np.zeros(2))
    there = pickle.loads(pickle.dumps(spool))
    there.extend(spool)
    assert [int(first[0]) for first, _ in there] == [0, 1, 2, 0, 1, 2]
    assert len(list(spool)) == 3
