"""The report: valid, self-contained, escaped, and it says what the figures are."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from irsde_jax import configuration
from irsde_jax.evaluation.report import charts, document, highlights
from irsde_jax.evaluation.report.highlights import Case, Version
from irsde_jax.metrics import bootstrap

VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Parses a page; every element must be closed in the order it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def make_entry(name, kind, psnrs, **values):
    score = bootstrap.mean_and_interval(psnrs)
    entry = dict(name=name, kind=kind, weights="", solver="", num_evals=0, folder="")
    entry |= dict(not_computed="", fid=None, median_seconds=None, gain={})
    found = [
        dict(name=f"{index}.png", height=8, width=8, psnr_rgb=value)
        for index, value in enumerate(psnrs)
    ]
    return entry | dict(scores={"psnr_rgb": score}, images=found) | values


def make_report(*entries):
    config = configuration.load("quickstart")
    return {
        "folder": "photos",
        "seed": 0,
        "crop_border": 2,
        "bits": 8,
        "degraded": "made here, haze, seed 0",
        "images": entries[0]["images"],
        "methods": list(entries),
        "confidence": dict(level=0.95),
        "lpips": dict(not_computed="no weights"),
        "fid": dict(not_computed="no program"),
        "no_baselines": "",
        "device": "cpu",
        "versions": dict(jax="0.10"),
        "config": json.loads(configuration.to_json(config)),
    }


def make_case(name="a.png", seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (3, 6, 5, 3), np.uint8)
    names = zip(("degraded", "mr_ode_2@5", "reference"), (20.0, 25.0, None))
    versions = [Version(*pair, image) for pair, image in zip(names, pixels)]
    return Case(name, "best", 5.0, (60, 50), versions)


@pytest.fixture
def entries():
    return [
        make_entry("degraded", "input", [20.0, 21.0, 20.5]),
        make_entry("mr_ode_2@5", "restored", [28.0, 27.5, 29.0], num_evals=5),
        make_entry("wavelet", "baseline", [27.0, 27.2, 27.1]),
        make_entry("BM3D", "baseline", [], not_computed="pip install bm3d"),
    ]


def test_the_page_says_what_the_figures_are_of(entries):
    text = document.to_html(make_report(*entries), [])
    assert "Degraded images: made here, haze, seed 0. " in text
    assert "rounded to 8 bits" in text
    text = document.to_html(make_report(*entries) | dict(bits=32), [])
    assert "rounded" not in text


def test_the_page_is_well_formed_and_needs_nothing_beside_it(entries):
    text = document.to_html(make_report(*entries), [make_case()])
    page = Page(text)
    assert {"table", "img", "select", "input"} <= set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "data", "action"):
            assert value.startswith("data:image/png;base64,"), (tag, name, value[:60])
    without_images = re.sub(r"data:image/png;base64,[\w+/=]+", "", text)
    assert "http" not in without_images
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert "url(" not in without_images
    assert "@import" not in without_images


def test_what_comes_from_outside_is_escaped(entries):
    hostile = "<b>x.png"
    for entry in entries[:3]:
        entry["images"][0]["name"] = hostile
    entries[1]["name"] = '"><script>alert(1)</script>: $title mr_ode_2@5'
    entries[3]["not_computed"] = "<i>why</i>"
    given = make_report(*entries)
    given["folder"] = "a&b</title><script>"
    text = document.to_html(given, [make_case(hostile)])
    page = Page(text)
    # the one <i> is the line of the slider
    assert page.tags.count("i") == 1
    assert page.tags.count("script") == 1
    assert hostile not in text
    assert f"best: {hostile}" in page.text
    assert "<i>why</i>" in page.text
    # a dollar is neither a placeholder of the page nor a formula of the plots
    assert "$title" in page.text


def test_the_tables_show_the_means_and_mark_the_best(entries):
    text = document.to_html(make_report(*entries), [])
    page = Page(text)
    assert "<b>28.17</b>" in text  # (28 + 27.5 + 29) / 3
    assert "27.10" in text
    assert "<b>27.10</b>" not in text.split("Every image")[0]
    assert "not computed: pip install bm3d" in page.text
    assert "LPIPS: not computed: no weights" in page.text
    assert "FID: not computed: no program" in page.text
    assert "too few for it to be trusted" in page.text
    assert "2 pixels left out" in page.text


def test_images_are_embedded_pixel_for_pixel():
    case = make_case()
    for version in case.versions:
        data = document.image_uri(version.pixels).split(",", 1)[1]
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            np.testing.assert_array_equal(np.asarray(image), version.pixels)


def test_without_matplotlib_the_report_says_so(entries, monkeypatch):
    monkeypatch.setattr(charts.importlib.util, "find_spec", lambda name: None)
    page = Page(document.to_html(make_report(*entries), []))
    assert "Plots: not computed: pip install matplotlib." in page.text


def test_a_single_image_and_perfect_results_have_a_report():
    entries = [make_entry("degraded", "input", [20.0])]
    perfect = make_entry("perfect", "restored", [np.inf])
    perfect["images"][0]["psnr_rgb"] = None  # as JSON has it
    perfect["scores"]["psnr_rgb"]["mean"] = None
    entries.append(perfect)
    page = Page(document.to_html(make_report(*entries), [make_case()]))
    assert "1 image of photos" in page.text


def test_plots_show_every_method_and_nothing_that_was_not_computed(entries):
    for draw in (charts.means_chart, charts.difficulty_chart):
        with_bm3d, without = draw(entries), draw(entries[:3])
        assert with_bm3d == without  # the same results make the same picture
        assert draw(entries[:2]) != without
        with Image.open(io.BytesIO(without)) as image:
            assert min(image.size) > 200


def test_the_window_lies_where_the_error_is():
    error = np.zeros((50, 70, 3))
    error[31:34, 60:63] = 1.0
    rows, columns = highlights.worst_window(error, 10)
    assert rows.start <= 31 < 34 <= rows.stop == rows.start + 10
    assert columns.start <= 60 < 63 <= columns.stop == columns.start + 10
    whole = highlights.worst_window(error[:6, :5], 10)
    assert whole == (slice(0, 6), slice(0, 5))
