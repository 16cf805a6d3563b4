import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from oddscape.errors import OddscapeError
from oddscape.interval import Interval
from oddscape.report.page import Comparison, render_page, write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Checks that tags are balanced and collects references, text and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert len(found) == len(attributes), f"attribute twice in {tag}"
        self.references += [found[key] for key in ("src", "href", "srcset", "action", "data") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self.images += [found] if tag == "img" else []
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_is_written_where_asked(tmp_path, closed_set, illustration):
    path = write_report(tmp_path / "new" / "folder", [closed_set], [illustration])
    assert path == tmp_path / "new" / "folder" / "index.html"
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_refers_to_nothing_outside(closed_set, densehybrid, overridden, illustration):
    text = render_page([closed_set, densehybrid, overridden], [illustration])
    page = Page(text)
    targets = {f"#{name}" for name in page.ids}
    assert all(reference.startswith("data:") or reference in targets for reference in page.references)
    assert not re.search(r"https?:|@import|url\(|//[a-z]", re.sub(r"(?m)^\s*// .*$", "", text))
    assert len(page.ids) == len(set(page.ids))


def test_holds_every_figure_and_the_protocol(closed_set, densehybrid, illustration):
    text = Page(render_page([closed_set, densehybrid], [illustration])).text
    figures = ["21.11", "32.22", "63.33", "16.11", "58.33", "43.21", "34.56", "90.00"]
    figures += ["51.23", "23.45", "59.00", "7.77", "81.23", "87.65"]
    protocol = ["The synthetic town, test", "split test", "12 known classes", "pooled over all pixels"]
    protocol += ["first recall above 95 %", "the labels' own", "1024×512", "2.00 %", "t5/2"]
    run = ["closed-set.safetensors", "torch", "2.13", "9,800 known", "1.25"]
    assert [words for words in [*figures, *protocol, *run] if words not in text] == []
    assert "override" not in text.lower()


def test_an_override_stands_in_the_box_and_with_the_table(overridden):
    text = Page(render_page([overridden], [])).text
    assert text.count("evaluation size 64×32 instead of the labels' size") >= 2


def test_protocols_have_tables_of_their_own(closed_set, densehybrid, overridden):
    together = render_page([closed_set, densehybrid], [])
    apart = render_page([closed_set, overridden], [])
    assert together.count('class="tag">headline') == 1
    assert apart.count('class="tag">headline') == 2
    assert 'href="#part-2"' in apart


def test_both_aggregations_are_shown_and_the_headline_comes_first(closed_set):
    text = render_page([closed_set], [])
    headings = re.findall(r'class="group( headline)?">([a-z ]+?)(?: <span|</th)', text)
    assert headings == [
        (" headline", "pooled over all pixels"),
        ("", "mean over pictures"),
        ("", "open set"),
    ]


def test_best_value_is_marked(closed_set, densehybrid):
    assert re.findall(r' best">(\d+\.\d\d)<', render_page([closed_set, densehybrid], []))[0] == "63.33"


def test_hostile_names_are_escaped(closed_set, illustration):
    name = "<script>alert('x')</script>\"&"
    results = replace(
        closed_set,
        pictures=[name, "b", "c"],
        left_out={name: name},
        model=name,
        overrides=[name],
        weights=name,
        class_iou={name: 0.5},
        environment={name: name},
    )
    space = replace(illustration.label_space, name=name, classes=(name, "sky"))
    shown = replace(illustration, name=name, model=name, rank=name, label_space=space)
    text = render_page([results], [shown])
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "<script>alert" not in text
    assert page.text.count("<script>alert('x')</script>\"&") >= 8


def test_undefined_figures_are_dashes_with_a_reason(undefined, illustration):
    page = Page(render_page([undefined], [replace(illustration, average_precision=math.nan)]))
    assert "nan" not in page.text.lower()
    assert "– there is no anomalous pixel" in page.text
    assert "undefined: there is only one fold" in page.text
    assert "AP –" in page.text


def test_rows_at_chance_level_are_flagged(closed_set):
    bad = replace(closed_set.scores[0], pooled=replace(closed_set.scores[0].pooled, auroc=0.3))
    text = Page(render_page([replace(closed_set, scores=[bad])], [])).text
    assert "no better than chance, flipped sign? (pooled AUROC 30.00)" in text


def test_intervals_stand_beside_their_figures(closed_set_drawn, track):
    text = render_page([closed_set_drawn], [])
    assert re.search(r'class="number headline first">21\.11<small>11–30</small></td>', text)
    assert "bootstrap over 30 pictures" in Page(text).text
    assert "59.00 55–63" in Page(render_page([track], [])).text


def test_certified_intervals_stand_there_where_digits_are_uncertain(closed_set):
    certified = {
        "pooled.average_precision": Interval(0.2109, 0.2113),
        "pooled.fpr95": Interval(0.4321, 0.4321),
    }
    score = replace(closed_set.scores[0], certified=certified)
    text = Page(render_page([replace(closed_set, scores=[score], engine="streaming")], [])).text
    assert text.count("∈ 21.09–21.13") == 1
    assert text.count("∈") == 1


def test_everything_that_a_protocol_asks_for_is_shown(track):
    text = Page(render_page([track], [])).text
    figures = [
        "41.41",
        "27.27",
        "69.69",
        "37.37",
        "19.19",
        "16.16",
        "13.13",
        "12.12",
        "56.56",
        "4.32",
        "6.54",
    ]
    figures += ["3.03", "52.52", "0.6543", "0.75", "12 / 3 / 40", "4 / 11 / 50", "τ = 0.50"]
    words = ["1–999 px 7 anomalies", "≥ 1,000 px 0 anomalies", "intervals from 10 pictures"]
    words += [
        "classes of which no counted pixel was seen: sky",
        "rows: truth",
        "Reliability",
        "abababababababab",
    ]
    assert [found for found in [*figures, *words] if found not in text] == []


def test_what_nobody_computed_has_no_heading(one_row):
    text = Page(render_page([one_row(0.5)], [])).text
    for heading in (
        "SegmentMeIfYouCan",
        "By size",
        "Reliability",
        "Confusion",
        "Differences",
        "Published figures",
    ):
        assert heading not in text


def test_differences_to_a_baseline(closed_set_drawn, densehybrid_drawn):
    runs = [closed_set_drawn, densehybrid_drawn]
    text = Page(render_page(runs, [], Comparison())).text
    assert "Differences to closed-set · msp" in text
    assert "+42.22 ▲" in text
    assert (
        "Differences to closed-set · energy"
        in Page(render_page(runs, [], Comparison("closed-set:energy"))).text
    )
    assert "Differences" not in Page(render_page(runs, [])).text


def test_published_figures_stand_apart_with_their_source(track):
    text = Page(render_page([track], [], Comparison(published=True))).text
    assert "Published figures published In percent; published by others, not measured here" in text
    assert "SegmentMeIfYouCan leaderboard, AnomalyTrack test" in text
    assert "96.33" in text
    assert "96.33" not in Page(render_page([track], [])).text


def test_left_out_pictures_stand_by_reason(closed_set):
    left_out = {"a": "no anomalous pixel", "b": "no known pixel", "c": "no anomalous pixel"}
    text = Page(render_page([replace(closed_set, left_out=left_out)], [])).text
    assert "no anomalous pixel a, c" in text
    assert "no known pixel b" in text


def test_a_full_page_refers_to_nothing_outside(track, closed_set_drawn):
    page = Page(render_page([track, closed_set_drawn], [], Comparison(published=True)))
    targets = {f"#{name}" for name in page.ids}
    assert all(reference.startswith("data:") or reference in targets for reference in page.references)


def test_illustrations_stand_under_their_rank_with_alt_texts(closed_set, illustration):
    worst = replace(illustration, name="t5/1", rank="worst", average_precision=0.1)
    page = Page(render_page([closed_set], [illustration, worst]))
    assert page.text.index("Best by AP") < page.text.index("87.65") < page.text.index("Worst by AP")
    assert len(page.images) == 10
    assert all(image["alt"] and image["src"].startswith("data:image/") for image in page.images)


def test_an_illustration_stands_in_the_section_of_its_result(closed_set, illustration):
    other = replace(closed_set, model="other", known_pixels=1)
    text = render_page([other, closed_set], [illustration])
    assert text.index('id="part-2"') < text.index("<img")


def test_refuses_what_has_no_protocol(closed_set, illustration):
    with pytest.raises(OddscapeError, match="no result for the illustration of 't5/0', else · msp"):
        render_page([closed_set], [replace(illustration, model="else")])
    with pytest.raises(OddscapeError, match="at least one result"):
        render_page([], [])


def test_needs_no_torch():
    code = "import sys, oddscape.report.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
