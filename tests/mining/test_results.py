"""From shards to results: the same however many shards there were."""

import csv
import random
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from oddscape.errors import OddscapeError
from oddscape.mining import tables
from oddscape.mining.listing import Shard
from oddscape.mining.merging import MinedShards
from oddscape.mining.results import write_results
from oddscape.mining.scoring import Mined
from oddscape.mining.store import ShardStore, store_path


def _rows(folder):
    with (folder / "ranking.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def found(facts):
    """What was found in many pictures, some alike, some equal in their figures, some damaged."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (40, 16), np.uint8)
    mined = []
    for number in range(200):
        hashed = hashes[number % 40].copy()
        hashed[number % 16] ^= 1 << (number % 8)
        figures = (int(rng.integers(0, 30)) / 8, float(rng.random()), float(rng.normal()))
        mined.append(Mined(f"drives/{number:03}.png", facts(*figures, bytes(hashed).hex())))
    return [
        *mined,
        Mined("drives/z.png", None, "drives/z.png: no such file"),
        Mined("drives/y.png", None, "bad"),
    ]


@pytest.fixture
def keep(settings, tmp_path):
    """Put what was found into the stores of so many shards; the folder."""

    def make(found, count=1, name="mined"):
        folder = tmp_path / name
        mixed = random.Random(count).sample(found, len(found))
        for shard in (Shard(number + 1, count) for number in range(count)):
            with ShardStore(store_path(folder, shard), settings) as store:
                for mined in mixed:
                    if shard.takes(mined.path):
                        store.add(mined)
                store.finish()
        return folder

    return make


def test_the_results_of_shards_are_those_of_one_process(found, keep):
    one, three = keep(found), keep(found, 3, "three")
    told: list[tuple[int, int]] = []
    tables = ("csv", "parquet")
    mining = [
        write_results(folder, keep=25, tables=tables, advance=lambda *so_far: told.append(so_far))
        for folder in (one, three)
    ]
    assert told == 2 * [(done, len(found)) for done in range(1, len(found) + 1)]
    assert mining[0] == mining[1]
    for file in ("ranking.csv", "shortlist.txt", "gallery.html"):
        assert (one / file).read_bytes() == (three / file).read_bytes()


@pytest.mark.parametrize(("ranking", "figure"), [("region", 0), ("pixels", 1), ("mean", 2)])
def test_rows_are_ranked_and_marked_as_plain_loops_do(found, keep, ranking, figure):
    folder = keep(found, 2)
    mining = write_results(folder, ranking=ranking, keep=7, distance=2)
    rows = _rows(folder)
    good = [it for it in found if it.facts]

    def figures(it):
        return it.facts.region_score, it.facts.anomalous_share, it.facts.mean_score

    expected = sorted(good, key=lambda it: (-figures(it)[figure], it.path))
    assert [row["path"] for row in rows] == [*(it.path for it in expected), "drives/y.png", "drives/z.png"]
    assert [row["rank"] for row in rows] == [*map(str, range(1, 201)), "", ""]
    assert [row["error"] for row in rows[-3:]] == ["", "bad", "drives/z.png: no such file"]
    kept = []
    for rank, (row, it) in enumerate(zip(rows, expected, strict=False), 1):
        bits = int(it.facts.picture_hash, 16)
        earlier = next((r for r, other in kept if (bits ^ other).bit_count() <= 2), "")
        assert row["duplicate_of"] == str(earlier)
        kept += [(rank, bits)] if earlier == "" else []
    assert [picture.rank for picture in mining.first] == [rank for rank, _ in kept[:7]]
    for rank, alike in mining.alike.items():
        assert alike == sum(row["duplicate_of"] == str(rank) for row in rows)
    assert (mining.ranked, mining.failed, mining.repeated) == (200, 2, 200 - len(kept))
    assert mining.errors == ["bad", "drives/z.png: no such file"]
    shortlist = (folder / "shortlist.txt").read_text().split()
    assert shortlist == [picture.path for picture in mining.first]


def test_a_row_says_all_about_a_picture(facts, keep):
    folder = keep([Mined("drives/ä b.png", facts(1 / 3, 0.25, -1.5, "0f" * 16))])
    write_results(folder)
    (row,) = _rows(folder)
    assert row == {
        **{"rank": "1", "path": "drives/ä b.png", "duplicate_of": "", "error": ""},
        **{"region_score": "0.3333333333333333", "anomalous_share": "0.25", "mean_score": "-1.5"},
        **{"width": "64", "height": "32", "regions": "3"},
        **{"region_left": "2", "region_top": "1", "region_right": "8", "region_bottom": "5"},
        **{"region_area": "20", "region_mean": "3.5", "region_max": "inf", "picture_hash": "0f" * 16},
        **{"share_road": "0.75", "share_sky": "0.25"},
    }


def test_parquet_holds_what_csv_holds(found, keep, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra 'mine')")
    monkeypatch.setattr(tables, "_ROWS", 30)
    folder = keep(found, 2)
    write_results(folder, tables=("parquet", "csv"))
    table = parquet.read_table(folder / "ranking.parquet")
    as_text = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
    assert as_text == _rows(folder)
    assert str(table.schema.field("rank").type) == str(table.schema.field("duplicate_of").type) == "int64"
    assert str(table.schema.field("region_score").type) == "double"


def test_a_table_of_an_earlier_ranking_does_not_stay_behind(found, keep):
    folder = keep(found)
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra 'mine')")
    write_results(folder, tables=("parquet",))
    write_results(folder, ranking="mean")
    assert {it.name for it in folder.iterdir()} == {"shards", "ranking.csv", "gallery.html", "shortlist.txt"}


def test_what_is_missing_or_unfinished_is_named(found, keep, settings, tmp_path):
    folder = keep(found, 4)
    for number in (2, 4):
        store_path(folder, Shard(number, 4)).unlink()
    with pytest.raises(OddscapeError, match=r"mined lacks shards 2/4, 4/4: mine them first"):
        write_results(folder)
    for number in (2, 4):
        ShardStore(store_path(folder, Shard(number, 4)), settings).__exit__()
    with pytest.raises(OddscapeError, match=r"mined: shards 2/4, 4/4 not finished: mine on, then merge"):
        write_results(folder)
    assert not (folder / "ranking.csv").exists()
    with pytest.raises(OddscapeError, match="holds no shards of oddscape mine"):
        write_results(tmp_path / "nowhere")


def test_shards_of_several_minings_are_not_mixed(found, keep, settings):
    folder = keep(found, 2)
    path = store_path(folder, Shard(2, 2))
    path.unlink()
    with ShardStore(path, replace(settings, score="msp")) as store:
        store.finish()
    with pytest.raises(OddscapeError, match=r"1/2, unlike 2/2, was begun with score energy, not msp"):
        MinedShards.found(folder)
    with ShardStore(store_path(folder, Shard(1, 3)), settings) as store:
        store.finish()
    with pytest.raises(OddscapeError, match="holds shards of 2 and of 3"):
        MinedShards.found(folder)


def test_nothing_scored_and_nothing_failed_is_an_error(keep):
    folder = keep([], 2)
    with pytest.raises(OddscapeError, match=r"^no pictures in drives$"):
        write_results(folder)
    assert [it.name for it in folder.iterdir()] == ["shards"]


# ── The gallery ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def gallery(pictures, facts, keep):
    """The page of three pictures, one of which is gone, one alike and one whose name wants care."""
    names = ["monday/a.png", "tuesday/gone.png", "monday/d<b>&#1 %.png", "monday/f.png"]
    (pictures / "monday" / "d.png").rename(pictures / names[2])
    hashes = ["0" * 32, "f" * 32, "0f" * 16, "0" * 32]
    figures = [(3.0, 0.1, 1.0), (2.0, 0.3, 5.0), (1.0, 0.2, 3.0), (0.5, 0.9, 9.0)]
    paths = [str(pictures / name) for name in names]
    mined = [Mined(p, facts(*f, h)) for p, f, h in zip(paths, figures, hashes, strict=True)]
    folder = keep(mined)
    write_results(folder)
    return folder / "gallery.html"


def test_the_page_names_and_links_its_pictures(gallery):
    page = gallery.read_text(encoding="utf-8")
    assert "3 of 4 pictures, ranked by\ntheir region score" in page
    assert page.count("<img") == 2
    assert "cannot be read any more" in page
    assert "d&lt;b&gt;&amp;#1 %.png" in page
    links = [unquote(part.partition('"')[0]) for part in page.split('class="picture" href="')[1:]]
    assert [(gallery.parent / link).resolve().name for link in links] == [
        "a.png",
        "gone.png",
        "d<b>&#1 %.png",
    ]
    assert (gallery.parent / links[2]).is_file()
    assert "http" not in page.replace("http-equiv", "")
    assert "+ 1 alike" in page


@pytest.mark.browser
def test_the_page_sorts_filters_and_hides_boxes(gallery, browser):
    browser.get(gallery.as_uri())

    def shown():
        return browser.execute_script(
            "return [...document.querySelectorAll('.gallery > li')].filter(it => !it.hidden)"
            ".map(it => it.dataset.rank + ' ' + [...it.querySelectorAll('.figure')]"
            ".filter(one => getComputedStyle(one).display != 'none').map(one => one.firstChild.textContent))"
        )

    def choose(name, value, event):
        browser.execute_script(
            "const it = document.querySelector('.controls').elements[arguments[0]];"
            "if (it.type == 'checkbox') it.checked = arguments[1]; else it.value = arguments[1];"
            "it.dispatchEvent(new Event(arguments[2]))",
            *(name, value, event),
        )

    assert shown() == ["1 3.000", "2 2.000", "3 1.000"]
    choose("sort", "pixels", "change")
    assert shown() == ["2 30.0 %", "3 20.0 %", "1 10.0 %"]
    choose("sort", "path", "change")
    assert shown() == ["1 10.0 %", "3 20.0 %", "2 30.0 %"]
    choose("sort", "mean", "change")
    choose("filter", "MONDAY", "input")
    assert shown() == ["3 3.000", "1 1.000"]
    drawn = "return getComputedStyle(document.querySelector('.picture svg')).display"
    assert browser.execute_script(drawn) != "none"
    choose("boxes", False, "change")
    assert browser.execute_script(drawn) == "none"
    assert browser.get_log("browser") == []
