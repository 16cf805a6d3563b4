import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import numpy as np
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
        self.ids: list[str] = []
        self.scripts: list[str | None] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert len(found) == len(attributes), f"attribute twice in {tag}"
        self.references += [found[key] for key in ("src", "href", "srcset", "action", "data") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self.images += [found] if tag == "img" else []
        self.scripts += [found["type"]] if tag == "script" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script", "template", "dialog"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_is_written_where_asked(tmp_path, closed_set, gallery):
    path = write_report(tmp_path / "new" / "folder", [closed_set], [gallery])
    assert path == tmp_path / "new" / "folder" / "index.html"
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_refers_to_nothing_outside(closed_set, densehybrid, overridden, gallery):
    text = render_page([closed_set, densehybrid, overridden], [gallery])
    page = Page(text)
    targets = {f"#{name}" for name in page.ids}
    assert all(reference.startswith("data:") or reference in targets for reference in page.references)
    readable = re.sub(r"[A-Za-z0-9+/=]{80,}|(?m:// .*$)", "", text)
    assert not re.search(r"https?:|@import|url\(|//[a-z]", readable)
    assert len(page.ids) == len(set(page.ids))


def test_holds_every_figure_and_the_protocol(closed_set, densehybrid, gallery):
    text = Page(render_page([closed_set, densehybrid], [gallery])).text
    figures = ["21.11", "32.22", "63.33", "16.11", "58.33", "43.21", "34.56", "90.00"]
    figures += ["51.23", "23.45", "59.00", "7.77", "81.23", "1.23", "4.56", "1,234 px"]
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


def test_hostile_names_are_escaped(closed_set, gallery):
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
    shown = replace(
        gallery,
        model=name,
        class_names=[name, "sky"],
        thumbnails={name: next(iter(gallery.thumbnails.values()))},
        illustrations=[replace(gallery.illustrations[0], name=name)],
    )
    text = render_page([results], [shown])
    page = Page(text)
    assert [kind for kind in page.scripts if kind != "application/json"] == ["module"]
    assert "<script>alert" not in text
    assert page.text.count("<script>alert('x')</script>\"&") >= 8


def test_undefined_figures_are_dashes_with_a_reason(undefined):
    page = Page(render_page([undefined], []))
    assert "nan" not in page.text.lower().replace("pictures", "")
    assert "– there is no anomalous pixel" in page.text
    assert "undefined: there is only one fold" in page.text


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


def test_pictures_come_worst_first_with_figures_and_thumbnails(closed_set, gallery):
    text = render_page([closed_set], [gallery])
    page = Page(text)
    tiles = re.findall(r'<li><button type="button" data-picture="(\d)"( data-maps)?', text)
    assert tiles == [("1", " data-maps"), ("0", " data-maps"), ("2", "")]
    assert len(page.images) == 4 + 3  # of failures and of all pictures
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.images)
    assert "t5/1 AP 10.00 FPR95 90.00 false alarms 4.56" in page.text
    assert "t5/2 AP – FPR95 – false alarms 10.00" in page.text


def test_pictures_without_a_gallery_have_their_figures(closed_set):
    page = Page(render_page([closed_set], []))
    assert "t5/0 AP 90.00 FPR95 1.23 false alarms 20.00" in page.text
    assert not page.images


def test_rates_of_few_false_alarms_keep_the_digits_that_f1_needs(closed_set):
    score = closed_set.scores[0]
    few = replace(score, curves=replace(score.curves, rates=[[1.5, 0.123456789, 1.2345e-6]]))
    page = render_page([replace(closed_set, scores=[few])], [])
    (row,) = json.loads(re.search('class="part-data">(.*?)</script>', page)[1])["rows"]
    stop = row["thresholds"].index(np.nextafter(1.5, 0, dtype=np.float32))
    assert (row["tpr"][stop], row["fpr"][stop]) == (0.123456789, 1.2345e-6)


def test_results_of_before_there_were_figures_of_each_picture(closed_set):
    old = [replace(score, picture_fpr95=[], picture_false_alarms=[]) for score in closed_set.scores]
    assert (
        "t5/0 AP 90.00 FPR95 – false alarms –"
        in Page(render_page([replace(closed_set, scores=old)], [])).text
    )


def test_failures_stand_by_kind(closed_set, gallery):
    text = Page(render_page([closed_set], [gallery])).text
    assert text.index("Largest false regions") < text.index("1,234 px in t5/0") < text.index("Largest missed")


def test_a_gallery_stands_in_the_section_of_its_result(closed_set, gallery):
    other = replace(closed_set, model="other", known_pixels=1)
    text = render_page([other, closed_set], [gallery])
    assert text.index('id="part-2"') < text.index("<img")


def test_refuses_pictures_of_no_result(closed_set, gallery):
    with pytest.raises(OddscapeError, match="no result for the pictures of else · msp"):
        render_page([closed_set], [replace(gallery, model="else")])
    with pytest.raises(OddscapeError, match="no result for the pictures of closed-set · msp"):
        render_page([closed_set], [replace(gallery, thresholds=[1.0])])
    with pytest.raises(OddscapeError, match="at least one result"):
        render_page([], [])


PAIRS = re.compile(r"--(\w+): light-dark\(#(\w{6}), #(\w{6})\)")


def test_words_can_be_read_in_both_themes(closed_set):
    pairs = PAIRS.findall(render_page([closed_set], []))
    for theme in (1, 2):
        colours = {pair[0]: luminance(pair[theme]) for pair in pairs}
        for ink, ground in product(("ink", "soft", "accent", "better", "worse"), ("paper", "card", "faint")):
            dark, light = sorted((colours[ink], colours[ground]))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, theme)  # WCAG 2.2, 1.4.3


def luminance(colour: str) -> float:
    linear = [
        ((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in bytes.fromhex(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_needs_no_torch():
    code = "import sys, oddscape.report.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
