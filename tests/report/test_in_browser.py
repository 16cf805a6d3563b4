"""The page in a real browser, opened from disk."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.support.wait import WebDriverWait

from oddscape.packed_maps import pack_map, unpack_map
from oddscape.regions import anomaly_mask
from oddscape.report.page import Comparison, write_report

pytestmark = pytest.mark.browser

MAPS = (48, 64)  # the size of the galleries' maps

HOSTILE = "<img src=x onerror=\"document.title='hurt'\">'\"</script><b>&amp;"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write a page; the same one is written once."""
    written = {}

    def write(kind, results, galleries, **options):
        if kind not in written:
            written[kind] = write_report(tmp_path_factory.mktemp(kind), results, galleries, **options)
        return written[kind].as_uri()

    return write


@pytest.fixture
def one(browser, pages, closed_set, gallery) -> Chrome:
    """The page of one network."""
    browser.get(pages("one", [closed_set], [gallery]))
    return browser


@pytest.fixture
def two(browser, pages, closed_set, densehybrid, gallery_of) -> Chrome:
    """The page of two networks, each with maps."""
    galleries = [gallery_of(closed_set, "energy"), gallery_of(densehybrid, "densehybrid")]
    browser.get(pages("two", [closed_set, densehybrid], galleries, comparison=Comparison()))
    return browser


def find(browser: Chrome, selector: str):
    return browser.find_element("css selector", selector)


def every(browser: Chrome, selector: str):
    return browser.find_elements("css selector", selector)


def names(browser: Chrome) -> list[str]:
    """Names of the tiles that are seen, in order."""
    return [tile.text for tile in every(browser, ".tiles li:not([hidden]) .tile-name")]


def opened(browser: Chrome, title: str) -> None:
    """Wait until the viewer shows a picture."""
    WebDriverWait(browser, 10).until(
        lambda b: find(b, "#viewer h2").text == title and every(b, ".methods section")
    )


def put(browser: Chrome, selector: str, value: object, event: str = "input") -> None:
    """Give a control a value as its user would."""
    browser.execute_script(
        "const [control, value, event] = arguments; control.value = value;"
        "control.dispatchEvent(new Event(event, {bubbles: true}));",
        find(browser, selector),
        value,
        event,
    )


def pixels(browser: Chrome, canvas: str) -> np.ndarray:
    """What a canvas shows, uint8 [H, W, 3]."""
    data = browser.execute_script(
        "const canvas = document.querySelector(arguments[0]);"
        "return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]",
        canvas,
    )
    return np.array(data, np.uint8).reshape(*MAPS, 4)[..., :3]


def test_it_opens_from_disk_with_no_errors_and_no_requests(two):
    find(two, ".tiles [data-picture='0']").click()
    opened(two, "t5/0")
    assert two.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in two.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    outside = [url for url in sent if not url.startswith(("data:", "blob:", "about:"))]
    assert outside == [two.current_url]


@pytest.fixture
def scriptless(browser):
    """A browser that runs no scripts."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield browser
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_scripts_all_can_be_read_and_nothing_pretends_to_work(scriptless, pages, closed_set, gallery):
    scriptless.get(pages("one", [closed_set], [gallery]))
    seen = lambda selector: find(scriptless, selector).is_displayed()  # noqa: E731
    assert find(scriptless, "noscript").text.startswith("JavaScript is off.")
    assert [s for s in ("table.figures", "svg .curve", ".tiles img", ".failure img") if not seen(s)] == []
    assert [s for s in ("#theme", ".along", ".choices", "#viewer") if seen(s)] == []
    assert not any(button.is_enabled() for button in every(scriptless, ".tiles button, .failure"))
    assert find(scriptless, "table.sortable th[data-column]").value_of_css_property("cursor") != "pointer"


def test_with_scripts_the_controls_are_there(one):
    for selector in ("#theme", ".along", ".choices"):
        assert find(one, selector).is_displayed(), selector
    assert all(button.is_enabled() for button in every(one, ".tiles button, .failure"))
    assert not every(one, "noscript p")


def test_pictures_are_sorted_and_filtered(one):
    assert names(one) == ["t5/1", "t5/0", "t5/2"]
    put(one, "[name=key]", "alarms", "change")
    assert names(one) == ["t5/0", "t5/2", "t5/1"]
    put(one, "[name=direction]", "ascending", "change")
    assert names(one) == ["t5/1", "t5/2", "t5/0"]
    put(one, "[name=key]", "fpr95", "change")
    assert names(one) == ["t5/1", "t5/0", "t5/2"]  # undefined last
    put(one, "[name=key]", "order", "change")
    assert names(one) == ["t5/0", "t5/1", "t5/2"]
    put(one, "[name=filter]", "5/1")
    assert names(one) == ["t5/1"]
    assert find(one, "[name=count]").text == "1 of 3 pictures"
    put(one, "[name=filter]", "")
    find(one, "[name=maps-only]").click()
    assert names(one) == ["t5/0", "t5/1"]


def test_tables_are_sorted(one):
    first = lambda: find(one, "table.sortable tbody tr td").text  # noqa: E731
    heading = find(one, "table.sortable th[data-column='3']")
    heading.click()
    assert first() == "energy"
    heading.send_keys(Keys.ENTER)
    assert first() == "msp"


def test_the_wipe_slider_moves_between_photograph_and_heat_map(one):
    find(one, ".tiles [data-picture='0']").click()
    opened(one, "t5/0")
    shown = {}
    for place in (0, 50, 100):
        put(one, "[name=wipe]", place)
        shown[place] = pixels(one, "canvas.wipe")
    assert (shown[50][:, :30] == shown[100][:, :30]).all()  # photograph
    assert (shown[50][:, 34:] == shown[0][:, 34:]).all()  # heat map
    assert (shown[0] != shown[100]).mean() > 0.9


def test_an_anomaly_at_the_border_is_outlined_on_its_own_side(browser, pages, closed_set, gallery):
    anomaly = np.zeros(MAPS, np.uint8)
    anomaly[10:20, :10], anomaly[30:35, 60:] = 1, 1
    its = [replace(gallery.illustrations[0], anomaly=pack_map(anomaly))]
    browser.get(pages("border", [closed_set], [replace(gallery, illustrations=its)]))
    find(browser, ".tiles [data-picture='0']").click()
    opened(browser, "t5/0")
    put(browser, "[name=wipe]", 0)
    outline = json.loads(find(browser, "#page-data").get_attribute("text"))["outline"]
    outlined = (pixels(browser, "canvas.wipe") == outline).all(2)
    assert (outlined == (ndimage.binary_dilation(anomaly) & (anomaly == 0))).all()


def test_the_threshold_repaints_and_its_figures_are_those_of_numpy(one, gallery, maps_of):
    find(one, ".tiles [data-picture='0']").click()
    opened(one, "t5/0")
    it = gallery.illustrations[0]
    anomaly, classes = (unpack_map(m, MAPS) for m in (it.anomaly, it.classes))
    score = maps_of("t5/0")["score"]
    assert np.isin([0.5, 1.5], score).all()  # ties at thresholds
    colours, palette = np.array(gallery.colours), json.loads(find(one, "#page-data").get_attribute("text"))
    for stop in (0, 2, 4):
        put(one, ".methods [name=threshold]", stop)
        called = anomaly_mask(score, np.float64(gallery.thresholds[stop]))  # as a detector calls them
        known, true = anomaly == 0, anomaly == 1
        found = called & true
        expected = {
            "tpr": found.sum() / true.sum(),
            "fpr": (called & known).sum() / known.sum(),
            "f1": 2 * found.sum() / (true.sum() + (called & (anomaly < 2)).sum()),
        }
        for name, value in expected.items():
            assert find(one, f".here [data-rate={name}]").text == f"{100 * value:.2f}", (stop, name)
        painted = pixels(one, "canvas.result")
        assert (painted[found] == palette["anomaly"]).all()
        left = known & ~called
        assert (painted[left] == colours[classes[left]]).all()
    assert find(one, ".everywhere [data-rate=tpr]").text == "60.00"  # at the edge 2.0 of the histogram
    assert find(one, ".delta").text == "2"


def test_the_keyboard_walks_opens_moves_and_closes(one):
    find(one, ".tiles [tabindex='0']").send_keys(Keys.ARROW_RIGHT)
    active = lambda: one.switch_to.active_element  # noqa: E731
    assert active().get_attribute("data-picture") == "0"
    active().send_keys(Keys.ENTER)
    opened(one, "t5/0")
    active().send_keys(Keys.ARROW_LEFT)
    opened(one, "t5/1")
    slider = find(one, ".methods [name=threshold]")
    before = slider.get_attribute("value")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert int(slider.get_attribute("value")) == int(before) + 1
    opened(one, "t5/1")  # on a slider the arrows are the slider's
    ActionChains(one).send_keys(Keys.ESCAPE).perform()
    assert not find(one, "#viewer").is_displayed()
    assert active().get_attribute("data-picture") == "0"


def test_a_picture_without_maps_shows_what_there_is(one):
    find(one, ".tiles [data-picture='2']").click()
    WebDriverWait(one, 10).until(lambda b: "No maps of this picture" in find(b, ".methods").text)
    assert find(one, ".methods img").is_displayed()
    assert not find(one, ".controls").is_displayed()


def test_a_failure_opens_its_picture_with_a_box(one):
    find(one, ".failure[data-picture='1']").click()
    opened(one, "t5/1")
    put(one, "[name=wipe]", 100)
    boxed = pixels(one, "canvas.wipe")
    find(one, ".methods [name=threshold]").send_keys(Keys.ESCAPE)
    find(one, ".tiles [data-picture='1']").click()
    opened(one, "t5/1")
    WebDriverWait(one, 10).until(lambda b: (pixels(b, "canvas.wipe") != boxed).any())
    changed = (pixels(one, "canvas.wipe") != boxed).any(2)
    top, left, bottom, right = (0, 32, 12, 48)  # the box of the failure
    assert changed.any()
    assert not changed[bottom + 6 :].any()
    assert not changed[:, : left - 6].any()
    assert not changed[:, right + 6 :].any()
    assert not changed[top + 3 : bottom - 3, left + 3 : right - 3].any()


@pytest.mark.parametrize(
    ("theme", "background"), [("light", "rgb(246, 247, 249)"), ("dark", "rgb(16, 19, 24)")]
)
def test_both_themes(one, theme, background):
    paper = lambda: find(one, "body").value_of_css_property("background-color").replace("rgba", "rgb")  # noqa: E731
    features = [{"name": "prefers-color-scheme", "value": theme}]
    one.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert paper().startswith(background[:-1])
    put(one, "#theme", {"light": "dark", "dark": "light"}[theme], "change")
    assert not paper().startswith(background[:-1])


def test_names_with_markup_are_harmless(browser, pages, closed_set, gallery):
    run = replace(closed_set, model=HOSTILE, pictures=[HOSTILE, "t5/1", "t5/2"], class_iou={HOSTILE: 0.5})
    its = [replace(gallery.illustrations[0], name=HOSTILE)]
    shown = replace(gallery, model=HOSTILE, class_names=[HOSTILE, "sky"], illustrations=its)
    browser.get(pages("hostile", [run], [shown]))
    find(browser, ".tiles [data-picture='0']").click()
    opened(browser, HOSTILE)
    assert find(browser, ".methods h3").text.startswith(HOSTILE)
    assert HOSTILE in find(browser, ".class-names").text
    assert browser.title != "hurt"
    assert not every(browser, "img[src=x], .tiles b b")
    assert browser.get_log("browser") == []


def test_methods_stand_side_by_side_and_move_together(two):
    find(two, ".tiles [data-picture='1']").click()
    opened(two, "t5/1")
    assert [h.text for h in every(two, ".methods h3")] == ["closed-set · energy", "DenseHybrid · densehybrid"]
    sliders = lambda: [s.get_attribute("value") for s in every(two, ".methods [name=threshold]")]  # noqa: E731
    put(two, ".methods [name=threshold]", 4)
    assert sliders() == ["4", "4"]
    find(two, "[name=together]").click()
    put(two, ".methods [name=threshold]", 1)
    assert sliders() == ["1", "4"]


def test_pictures_are_sorted_by_what_a_method_gains(two):
    put(two, ".pictures [name=row]", 2, "change")
    put(two, ".pictures [name=key]", "gain", "change")
    assert "gain 0.00" in find(two, ".tile-figures").text


def test_where_nothing_is_called_there_is_no_precision_to_mark(browser, pages, closed_set):
    scores = [replace(s, curves=replace(s.curves, rates=[[3.5, 0.0, 0.0]])) for s in closed_set.scores]
    browser.get(pages("nothing", [replace(closed_set, scores=scores)], []))
    seen = lambda kind: find(browser, f"figure[data-curve={kind}] .marker").is_displayed()  # noqa: E731
    put(browser, ".along input", 3)
    assert find(browser, ".along output").text == "δ = 3.5: TPR 0.00 %, FPR 0.00 %, precision – %, F1 0.00 %"
    assert (seen("roc"), seen("precision-recall")) == (True, False)
    put(browser, ".along input", 1)
    assert seen("precision-recall")


def test_a_threshold_moves_along_the_curves(two):
    put(two, ".along input", 3)
    assert find(two, ".along output").text.startswith("δ = 1.5: TPR 95.00 %, FPR 12.34 %, precision 13.58 %")
    marker = find(two, "figure[data-curve=roc] .marker")
    assert marker.get_attribute("transform").startswith("translate(97.9")
    put(two, ".along select", 2, "change")
    assert "colour-2" in find(two, "figure[data-curve=roc] .marker").get_attribute("class")
