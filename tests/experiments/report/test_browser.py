"""The report in a real browser: headless Chromium on a desktop's and a telephone's width, and on paper."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver

from experiments.report.page import write_report
from tests.experiments.report_folder import make_folder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver on the path")

LONG = "sentence-transformers:all-MiniLM-L6-v2+corpus:width=100,epochs=20"
VARIANTS = [{"query": q, "encoder": e} for q, e in (("text", LONG), ("learnable", "lexical"), ("text", "random:300"))]
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two tables in one file: one of 41 labels and three seeds, one of a single run."""
    folder = tmp_path_factory.mktemp("report")
    make_folder(folder / "one", VARIANTS, seeds=3, seen=29, unseen=12, images=5)
    make_folder(folder / "two", VARIANTS[:1], seeds=1)
    write_report([folder / "one", folder / "two"], folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(params=WIDTHS)
def page(request, browser, report):
    """The report, freshly opened at a width."""
    metrics = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get_log("browser")
    browser.get(report.as_uri())
    yield browser
    assert browser.get_log("browser") == []  # no error, no warning, nothing refused by the page's own policy


def texts(page, selector):
    """The texts of the visible elements."""
    code = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)"
    return page.execute_script(code, selector)


def click(page, selector, place=0):
    page.execute_script("document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, place)


def choose(page, selector, value):
    code = """const field = document.querySelector(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event('input', {bubbles: true}));
        field.dispatchEvent(new Event('change', {bubbles: true}));"""
    page.execute_script(code, selector, value)


def screenshot(page):
    """(height, width, 3) of the whole page."""
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")).astype(int)


def test_nothing_is_missing_and_only_boxes_scroll_sideways(page):
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth || !i.width).length"
    assert page.execute_script(broken) == 0
    assert page.execute_script("return document.images.length") == 8 + 4
    sizes = page.execute_script(
        "return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect()).map(r => [r.width, r.height])"
    )
    assert len(sizes) == 10 + 8
    assert np.min(sizes) > 50
    scroll, inner = page.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert scroll <= inner
    over = """return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .sections, svg')
        && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 99))"""
    assert page.execute_script(over) == []


def test_text_is_large_enough_to_read(page):
    drawn = """const size = t => { const at = t.getScreenCTM();
            return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(at.a, at.b); };
        return [...document.querySelectorAll('svg text')].map(size)"""
    written = """return [...document.querySelectorAll('main :not(svg, svg *)')]
        .map(e => parseFloat(getComputedStyle(e).fontSize))"""
    assert min(page.execute_script(drawn)) >= 9.5
    assert min(page.execute_script(written)) >= 11


def prefer(page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_is_inked_inside_its_margins(page, scheme):
    prefer(page, scheme)
    pixels = screenshot(page)
    width, height = page.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    assert pixels.shape == (height, width, 3)
    paper = pixels[0, 0]
    assert (paper.mean() > 128) == (scheme == "light")
    inked = np.abs(pixels - paper).max(2) > 40
    assert not inked[:, :8].any()
    assert not inked[:, -8:].any()
    assert 0.01 < inked.mean() < 0.4
    blank = np.flatnonzero(np.append(inked.any(1), True))
    assert np.diff(blank).max() < 120  # rows of pixels without ink: no hole where a part should be


def contrast(page, selector):
    """WCAG's contrast of the faintest text against the page."""
    code = """const shade = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const paper = shade(getComputedStyle(document.body).backgroundColor);
        return Math.min(...[...document.querySelectorAll(arguments[0])].map(e => {
            const ink = shade(getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color']);
            return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }))"""
    return page.execute_script(code, selector)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(page, scheme):
    prefer(page, scheme)
    assert contrast(page, "p, li, td, th, dd, dt, a, button, summary, code, svg text") >= 4.5


def test_a_header_sorts_the_table(page):
    column = "#t1-result .results tbody td[data-column='0']:not(.paper) .value"
    header = "#t1-result .results thead th[data-column='0']:not(.paper) button"
    before = [float(value) for value in texts(page, column)]
    assert before == sorted(before)
    click(page, header)
    assert [float(value) for value in texts(page, column)] == before[::-1]
    assert texts(page, "#t1-result th[aria-sort=descending]") == texts(page, header.replace(" button", ""))
    click(page, header)
    assert [float(value) for value in texts(page, column)] == before
    click(page, "#t1-result .results thead button", 1)  # words sort from a to z first
    assert texts(page, "#t1-result .results tbody tr th:nth-of-type(1)") == ["learnable", "text", "text"]
    assert texts(page, "#t1-result .results tfoot th") == ["backbone's own readout", "chance"]


def test_columns_are_chosen(page):
    shown = len(texts(page, "#t1-result .results thead th"))
    click(page, "#t1-result .chooser input")
    assert len(texts(page, "#t1-result .results thead th")) == shown - 2  # the paper's figures go with it
    click(page, "#t1-result .chooser input")
    assert len(texts(page, "#t1-result .results thead th")) == shown


def test_labels_are_found_compared_and_opened(page):
    labels = "#t1-labels .by-label tbody tr > th:first-child"
    assert len(texts(page, labels)) == 12  # the unseen ones
    values = [float(v) for v in texts(page, "#t1-labels .by-label tbody td:nth-child(2)")]
    assert values == sorted(values, reverse=True)
    choose(page, "#t1-labels [name=part]", "")
    assert len(texts(page, labels)) == 25
    click(page, "#t1-labels .more")
    assert len(texts(page, labels)) == 41
    choose(page, "#t1-labels [name=find]", "UNSEEN 1")
    assert set(texts(page, labels)) == {"unseen 1", "unseen 10", "unseen 11"}
    choose(page, "#t1-labels [name=other]", "0")
    first, other, difference = (
        float(texts(page, f"#t1-labels .by-label tbody td:nth-child({place})")[0].replace("−", "-"))
        for place in (2, 3, 4)
    )
    assert difference == pytest.approx(first - other, abs=1e-6)
    click(page, "#t1-labels .by-label thead button")
    assert texts(page, labels) == ["unseen 1", "unseen 10", "unseen 11"]
    click(page, "#t1-labels .by-label tbody button", 2)
    assert len(texts(page, "#t1-labels .detail tbody tr")) == len(VARIANTS)
    choose(page, "#t1-labels [name=find]", "no such label")
    assert texts(page, labels) == []


def test_pictures_show_what_a_variant_found(page):
    assert len(texts(page, "#t1-pictures .card")) == 5
    choose(page, "#t1-pictures .pictured", "1")
    assert set(texts(page, "#t1-pictures [data-variant]")) != set()
    assert (
        page.execute_script("return document.querySelectorAll('#t1-pictures [data-variant]:not([hidden])').length") == 5
    )
    assert "✓" in texts(page, "#t1-pictures .found .right")[0]
    assert "✗" in texts(page, "#t1-pictures .found .wrong.unseen")[0]
    assert "?" in texts(page, "#t1-pictures .found .unknown")[0]


def test_errors_are_shown_by_variant_protocol_and_label(page):
    cards, verdicts = "#t1-errors .card", "#t1-errors .found .verdict"
    assert len(texts(page, cards)) == 5
    assert texts(page, "#t1-errors .errors-title") == ["3 text / random:300, GZSL"]
    assert texts(page, "#t1-errors .card h4")[0] == "photo 0"
    assert " ".join(texts(page, "#t1-errors .card")[0].split()) == (
        "photo 0 AP 5.0; shows, with rank and score 1 seen 0 1.5 9 unseen 11 unseen -1.25"
        " found 1 ✓ seen 0 1.5 2 ? seen 1 0.5 3 ✗ seen 2 wrong -0.5"
    )
    assert set(texts(page, verdicts)) == {"✓", "?", "✗"}
    choose(page, "#t1-errors [name=label]", "SEEN 4")
    assert texts(page, "#t1-errors .card h4") == ["photo 2", "photo 3", "photo 4"]
    choose(page, "#t1-errors [name=role]", "wrong")
    assert texts(page, "#t1-errors .card h4") == ["photo 2"]
    choose(page, "#t1-errors [name=role]", "true")
    assert texts(page, "#t1-errors .card h4") == ["photo 4"]
    choose(page, "#t1-errors [name=label]", "unseen 11")
    choose(page, "#t1-errors [name=role]", "missed")
    assert len(texts(page, cards)) == 5
    assert " ".join(texts(page, "#t1-errors .confusions tbody tr")[0].split()) == (
        "unseen 11 unseen 9 7 (78 %) unseen 0 unseen 4, unseen 1 unseen 2"
    )
    choose(page, "#t1-errors [name=protocol]", "zsl")
    choose(page, "#t1-errors [name=variant]", "0")
    assert "ZSL" in texts(page, "#t1-errors .errors-title")[0]
    assert "1 text" in texts(page, "#t1-errors .errors-title")[0]
    choose(page, "#t1-labels [name=find]", "unseen 11")
    click(page, "#t1-labels .by-label tbody button")
    assert texts(page, "#t1-labels .lost") == ["missed in 7 of 9 images: unseen 0 4, unseen 1 2"] * 3


def test_the_worst_errors_need_no_javascript(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri())
        shown = browser.find_elements("css selector", "#t1-errors .card")
        assert (len(shown), len(browser.find_elements("css selector", "#t1-errors .confusions tbody tr"))) == (5, 2)
        assert shown[0].text.splitlines()[0] == "photo 0"
        assert not browser.find_element("css selector", "#t1-errors form").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints_whole(browser, report):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(report.as_uri())
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert 4 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page\n") <= 20
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    metrics = {"width": 695, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # A4 inside its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    over = """return [...document.querySelectorAll('main *')].filter(e => e.checkVisibility() && !e.closest('svg')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 99))"""
    assert browser.execute_script(over) == []
    assert texts(browser, "form, .sections, .copy") == []
    assert len(texts(browser, "#t1-repeat table tbody tr")) == 9
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script("return document.querySelectorAll('details[open]').length") == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
