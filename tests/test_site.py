"""The documentation as a site: built strictly, complete on disk, and usable there."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    find_spec("mkdocs") is None, reason="no mkdocs; make docs, or pip install '.[docs]'"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; the build fails on a warning, such as one of a dead link."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    made = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site):
    loads = r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=\"((?:https?:)?//[^\"]+)"
    found = [url for page in site.rglob("*.html") for url in re.findall(loads, page.read_text("utf-8"))]
    found += [
        url
        for file in site.rglob("*.css")
        for url in re.findall(r"url\(((?:https?:)?//[^)]+)", file.read_text("utf-8"))
    ]
    assert found == []


def test_every_role_of_a_docstring_became_a_link(site):
    for page in site.glob("api/*.html"):
        assert re.findall(r":(?:class|func|meth|mod|data|attr):.{0,40}", page.read_text("utf-8")) == []


@pytest.mark.browser
def test_it_opens_from_disk_and_finds_what_is_searched(site, browser):
    browser.get((site / "index.html").as_uri())
    search = browser.find_element(By.CSS_SELECTOR, "[data-md-component=search-query]")
    browser.execute_script("arguments[0].focus()", search)
    search.send_keys("DenseHybrid")
    results = (By.CSS_SELECTOR, ".md-search-result__item a")
    WebDriverWait(browser, 20).until(lambda page: page.find_elements(*results))
    assert browser.find_elements(*results)[0].get_attribute("href").startswith("file:///")
    parts = "[...document.querySelectorAll('script[src], img, link[rel=stylesheet]')]"
    loaded = browser.execute_script(f"return {parts}.map(part => part.src || part.href)")
    assert loaded
    assert [url for url in loaded if not url.startswith("file:")] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
