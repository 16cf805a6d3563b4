"""The page in a real browser."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="starlette is not installed (the extra 'serve')")

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from oddscape.detector import Detector
from oddscape.labels import ANOMALY_COLOUR
from oddscape.regions import RegionRules
from oddscape.report.heat import paint_heat, robust_range

pytestmark = pytest.mark.browser

RULES = RegionRules(min_region=20, low=-1.55)


class Page:
    """The page, and what a person does with it."""

    def __init__(self, browser, client):
        self.browser, self.client = browser, client
        browser.get(f"http://127.0.0.1:{client.port}/")
        self.until(lambda: self.text("limits"))

    def until(self, true):
        return WebDriverWait(self.browser, 20, poll_frequency=0.05).until(lambda _: true())

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def text(self, name):
        return self.browser.find_element(By.ID, name).text

    def choose(self, path):
        self.browser.find_element(By.ID, "file").send_keys(str(path))
        self.until(lambda: self.text("summary") or self.text("error"))
        self.settle()

    def settle(self):
        """Let what was begun be answered and painted."""
        self.until(lambda: self.run("return document.getElementById('wait').hidden"))
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def move(self, name, value):
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event(arguments[2]))"
        event = "change" if name in ("exact", "score", "detector") else "input"
        self.run(script, self.browser.find_element(By.ID, name), value, event)
        self.settle()

    def show(self, view):
        self.run("document.querySelector(`[value=${arguments[0]}]`).click()", view)
        self.settle()

    def pixels(self, name):
        """uint8 [h, w, 4] of a canvas."""
        script = """const c = document.getElementById(arguments[0]);
            return [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"""
        height, width, *values = self.run(script, name)
        return np.array(values, np.uint8).reshape(height, width, 4)

    def regions(self):
        rows = self.browser.find_elements(By.CSS_SELECTOR, "#regions tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]

    def complaints(self):
        """What the browser's console says, but for its remark on a test that reads pixels."""
        said = [entry["message"] for entry in self.browser.get_log("browser")]
        return [line for line in said if "willReadFrequently" not in line]


@pytest.fixture
def shown(browser, start, make_net, tmp_path, image):
    """The page with a picture's result, the page's detector, and the file."""
    detector = Detector(make_net(5), threshold=-1.52, rules=RULES)
    page = Page(browser, start({"tiny": lambda: detector, "other": lambda: Detector(make_net(3), "msp")}))
    path = tmp_path / "street.png"
    Image.fromarray(image).save(path)
    page.choose(path)
    return page, detector, path


def test_a_picture_is_shown_with_what_is_anomalous_in_it(shown, image):
    page, detector, _ = shown
    expected = detector.predict(image)
    np.testing.assert_array_equal(page.pixels("photograph")[..., :3], image)
    page.move("strength", 1)
    painted = page.pixels("painted")[..., :3]
    np.testing.assert_array_equal(painted, detector.label_space.paint(expected.open_set))
    assert 0 < (painted == ANOMALY_COLOUR).all(2).mean() < 1
    page.show("heat")
    heat = paint_heat(expected.score, *robust_range(expected.score))
    difference = page.pixels("painted")[..., :3].astype(int) - heat
    assert np.abs(difference).max() <= 12  # quantiles between two scores, and a step of the table
    page.move("wipe", 40)
    clipped = page.run("return getComputedStyle(document.getElementById('painted')).clipPath")
    assert clipped == "inset(0px 0px 0px 40%)"
    assert page.text("error") == ""
    assert page.complaints() == []


def test_moving_the_threshold_repaints_by_the_detectors_rules(shown, image):
    page, detector, _ = shown
    page.move("strength", 1)
    for threshold in (-1.6, -1.53, -1.5, 9.0):
        page.move("exact", threshold)
        low = min(RULES.low, threshold)
        by_hand = detector.deciding_by(threshold, RegionRules(RULES.min_region, low)).predict(image)
        painted = page.pixels("painted")[..., :3]
        np.testing.assert_array_equal((painted == ANOMALY_COLOUR).all(2), by_hand.anomaly)
        areas = sorted((region.area for region in by_hand.regions), reverse=True)
        assert [row[1] for row in page.regions()] == [f"{area:,}" for area in areas]
        means = {f"{region.mean_score:.3g}" for region in by_hand.regions}
        assert {row[2] for row in page.regions()} == means
        words = f"of the pixels are anomalous, in {len(areas)} region{'' if len(areas) == 1 else 's'}."
        assert page.text("summary").endswith(words)
    page.browser.find_element(By.ID, "own").click()
    page.settle()
    assert float(page.run("return document.getElementById('exact').value")) == -1.52
    before = page.pixels("painted")
    page.move("threshold", 0)
    lowest = page.pixels("painted")
    page.move("threshold", 1000)
    assert not np.array_equal(before, lowest)
    assert not np.array_equal(lowest, page.pixels("painted"))
    assert page.text("summary") == "0.00 % of the pixels are anomalous, in 0 regions."
    assert page.text("no-regions") == "None."
    assert page.complaints() == []


def test_another_score_waits_for_a_threshold_and_another_detector_brings_its_classes(shown):
    page, _, _ = shown
    page.move("score", "msp")
    page.until(lambda: page.text("summary").startswith("No threshold belongs to this score"))
    assert page.text("formula") == "Score: 1 − max_k p_k"
    assert not page.browser.find_element(By.ID, "own").is_enabled()
    page.move("threshold", 500)
    assert page.text("summary").endswith(".")
    assert "anomalous" in page.text("summary")
    page.move("detector", "other")
    page.until(lambda: "class 4" not in page.text("legend"))
    names = {line for line in page.text("legend").splitlines() if "%" not in line}
    assert "anomaly" in names
    assert names <= {"anomaly", "class 0", "class 1", "class 2"}


def test_what_goes_wrong_is_said_and_the_page_goes_on(shown, tmp_path):
    page, _, path = shown
    (tmp_path / "text.png").write_text("no picture")
    page.browser.find_element(By.ID, "file").send_keys(str(tmp_path / "text.png"))
    page.until(lambda: page.text("error"))
    assert page.text("error") == "no picture: expected a file of JPEG, PNG, WEBP, BMP"
    before = page.text("summary")
    page.move("threshold", 0)  # of the picture that is still shown
    assert page.text("summary") != before
    page.choose(path)
    page.until(lambda: not page.text("error"))
    before = page.client.server.server_state.total_requests
    (tmp_path / "large.jpg").write_bytes(bytes(21 * 2**20))
    page.choose(tmp_path / "large.jpg")
    page.until(lambda: page.text("error") == "large.jpg has 21 MB; 20 MB are the most")
    assert page.client.server.server_state.total_requests == before  # it was not sent
    page.client.server.should_exit = True
    page.until(lambda: not page.client.server.servers[0].is_serving())
    page.browser.find_element(By.ID, "file").send_keys(str(path))
    page.until(lambda: page.text("error") == "The server does not answer: is oddscape serve still running?")
