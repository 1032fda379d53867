"""The page: its numbers are those of the scores, it needs nothing else, and hides nothing."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

import stforecast as sf
from stforecast import names
from stforecast.card import RunCard
from stforecast.errors import ConfigError, DataError, StForecastError
from stforecast.report import write_report
from stforecast.report.words import number, per_cent
from stforecast.verification import verify
from stforecast.verification.pooling import pooled
from tests.report.conftest import make_case


class Page(HTMLParser):
    """Text, tables, sections and addresses of a page; wants every element closed."""

    EMPTY = frozenset({"meta", "br", "img", "link"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tables, self.addresses, self.ids, self.words = [], [], [], [], []
        self.labels, self.elements = [], []
        self.feed(text)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.elements.append(tag)
        self.addresses += [v for k, v in attrs if k in ("href", "src", "xlink:href", "action")]
        if "id" in given:
            self.ids.append(given["id"])
        self.labels += [given[key] for key in ("aria-label", "alt") if key in given]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "br" and self.tables:
            self.tables[-1][-1][-1] += " "
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open or "svg" in self.open:
            return
        self.words.append(data)
        if self.open[-1:] and {"td", "th"} & set(self.open[-3:]):
            self.tables[-1][-1][-1] += data

    def table(self, first):
        """The rows of the table whose caption or first heading begins so."""
        for rows in self.tables:
            cells = [[" ".join(cell.split()) for cell in row] for row in rows]
            if first in " ".join(cells[0]):
                return cells
        raise AssertionError(f"no table with {first}")


def page_of(tmp_path, scores, **given):
    path = write_report(scores, tmp_path / "report.html", **given)
    return Page(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(case, tmp_path_factory):
    return page_of(
        tmp_path_factory.mktemp("report"),
        case.scores,
        forecasts=case.forecasts,
        observations=case.store.observations(),
    )


def test_errors_are_those_of_the_scores(case, page):
    rows = page.table("forecast ours")
    assert rows[0][1:] == [
        "forecast ours",
        "reference persistence",
        "reference history mean",
        "values compared",
    ]
    assert len(rows) == 1 + 6 + 1
    one = case.scores.sel({names.VARIABLE: "t2m"})
    places = len(rows[1][1].partition(".")[2])
    for at, row in enumerate(rows[1:-1]):
        assert row[0] == f"{at + 1} h"
        for column, system in enumerate(case.scores[names.SYSTEM].values):
            value = float(one["rmse"].sel({names.SYSTEM: system}).isel({names.LEAD_TIME: at}))
            assert row[1 + column] == f"{value:.{places}f}"
        assert int(row[-1].replace("\u202f", "")) == int(one["count"][at])
    whole = pooled(one, [names.LEAD_TIME])
    assert rows[-1][1] == f"{float(whole['rmse'][0]):.{places}f}"


def test_skill_is_that_of_the_scores_and_losses_are_marked(case, page):
    rows = page.table("skill against persistence")
    skill = case.scores["skill"].sel({names.SYSTEM: "ours", names.VARIABLE: "t2m"})
    for at, row in enumerate(rows[1:-1]):
        for reference, cell in zip(("persistence", "history_mean"), row[-2:], strict=True):
            value = float(skill.sel({names.REFERENCE: reference})[at])
            assert cell.split()[0] == number(value, 2, signed=True)
            assert ("▼" in cell) == (value < 0)


def test_headline_is_the_pooled_skill(case, page):
    whole = pooled(case.scores, [names.LEAD_TIME])["skill"].sel(
        {names.SYSTEM: "ours", names.REFERENCE: "persistence"}
    )
    shares = sorted({per_cent(float(value))[:-2] for value in whole}, key=float)
    word = "smaller" if (whole > 0).all() else "larger"
    assert f"{' to '.join(shares)} % {word} than those of persistence" in page.text
    assert "test t2m and test tp up to 6" in page.text


def test_what_a_reference_does_better_is_said(case, tmp_path):
    swapped = verify(
        {"ours": case.references["persistence"]},
        case.store.observations(),
        references={"day_before": case.forecasts["ours"]},
    )
    assert (swapped["skill"].sel({names.SYSTEM: "ours"}) < 0).any()
    shown = page_of(tmp_path, swapped)
    assert "Day before is better than ours for t2m" in shown.text
    assert "a reference does better: day before" in shown.text
    assert "▼" in shown.text


def test_a_mean_error_is_said(case, tmp_path):
    high = case.forecasts["ours"].copy()
    high["t2m"] = high["t2m"] + 5
    scores = verify({"ours": high}, case.store.observations(), references=case.references)
    shown = page_of(tmp_path, scores, forecasts={"ours": high})
    assert "Test t2m is forecast too high on average at every lead time: by 5.0" in shown.text
    assert "too low" not in shown.text.partition("What this page cannot tell")[0]


def test_page_needs_nothing_else(case, page, tmp_path):
    path = write_report(case.scores, tmp_path / "a.html", forecasts=case.forecasts)
    text = path.read_text("utf-8")
    assert not re.search(r"(https?:)?//", text)
    assert "@import" not in text
    assert "script" not in page.elements
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    inside = [address[1:] for address in page.addresses if address.startswith("#")]
    assert set(inside) <= set(page.ids)
    assert len(text) < 5e6
    # the same scores give the same page
    again = write_report(case.scores, tmp_path / "b.html", forecasts=case.forecasts)
    assert again.read_text("utf-8") == text


def test_figures_have_words(page):
    assert page.elements.count("figure") == 2
    figures = [label for label in page.labels if label.startswith("RMSE of")]
    assert len(figures) == 2
    assert all("persistence" in label for label in figures)


def test_what_is_not_there_has_no_section(page):
    for word in ("CRPS", "coverage", "Reliability", "Rank histogram", "Spectr", "region", "nan"):
        assert word not in page.text
    assert "No intervals were worked out" in page.text


@pytest.mark.parametrize("name", ["</script><script>$x & y</script>", "_–" * 90])
def test_names_are_only_names(case, tmp_path, name):
    product = case.forecasts["ours"].copy()
    product["t2m"].attrs["long_name"] = f"{name} --> <b>bold</b>"
    product.attrs |= {"source": name, "title": f"<img src=x onerror={name}>"}
    scores = verify({name: product}, case.store.observations(), references=case.references)
    text = write_report(scores, tmp_path / "r.html", forecasts={name: product}).read_text("utf-8")
    shown = Page(text)
    assert "script" not in shown.elements
    assert "b" not in shown.elements
    assert "i" not in shown.elements
    assert "img" not in shown.elements
    assert name in html.unescape(text)


def test_a_forecast_that_tells_nothing_of_itself_is_not_trusted(case, tmp_path):
    bare = case.forecasts["ours"].drop_attrs(deep=False)
    page = page_of(tmp_path, case.scores, forecasts={"ours": bare})
    assert "ours does not say what it was made from" in page.text


def test_training_in_the_period_scored_is_said(case, tmp_path):
    product = case.forecasts["ours"].assign_attrs(
        stforecast_training_period="2000-01-01/2000-01-15"
    )
    shown = page_of(tmp_path, case.scores, forecasts={"ours": product})
    assert "reaches into the period scored" in shown.text
    before = product.assign_attrs(stforecast_training_period="2000-01-01/2000-01-10")
    shown = page_of(tmp_path, case.scores, forecasts={"ours": before})
    assert "reaches into the period scored" not in shown.text


def test_groups_have_sections(tmp_path):
    case = make_case(by=["lead_time", "hour", "weekday"])
    shown = page_of(tmp_path, case.scores, forecasts=case.forecasts)
    assert "Errors by hour" in shown.text
    assert "Errors by weekday" in shown.text
    rows = shown.table("hour forecast ours")
    assert [row[0] for row in rows[1:]] == [f"{hour:02d} h" for hour in range(24)]
    one = case.scores["rmse"].sel({names.SYSTEM: "ours", names.VARIABLE: "t2m"})
    weight = case.scores["weight"].sel({names.VARIABLE: "t2m"})
    dims = [names.LEAD_TIME, "weekday"]
    expected = np.sqrt((one.fillna(0) ** 2 * weight).sum(dims) / weight.sum(dims))
    assert float(rows[3][1]) == pytest.approx(float(expected[2]), abs=1e-3)


def test_scores_without_lead_times_or_references(case, tmp_path):
    scores = verify(case.forecasts, case.store.observations(), by=[])
    shown = page_of(tmp_path, scores)
    assert "it was held against no reference" in shown.text
    assert "There is no reference" in shown.text
    assert "up to" not in shown.text.partition("What was not good")[0]


def test_python(case, tmp_path):
    path = sf.report(
        case.scores, case.forecasts["ours"], case.store, tmp_path / "deep" / "report.html"
    )
    assert path == tmp_path / "deep" / "report.html"
    assert "test t2m" in path.read_text("utf-8")
    assert sf.report(case.scores, file=tmp_path / "bare.html").exists()
    with pytest.raises(ConfigError, match="no 'theirs'; they have ours"):
        sf.report(case.scores, {"theirs": case.forecasts["ours"]}, case.store, tmp_path / "x.html")
    with pytest.raises(DataError, match="not scores"):
        sf.report(xr.Dataset(), file=tmp_path / "x.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(StForecastError):
        sf.report(case.scores, file=tmp_path / "file" / "x.html")


def test_card_and_files_are_told(case, tmp_path):
    card = RunCard.model_validate(
        {
            "name": "ours",
            "model": {"name": "simvp", "settings": {"hid_S": 16}},
            "shape": {},
            "windows": {"history": 4, "horizon": 6},
            "history_needed": 4,
            "channels": [],
            "grid": {},
            "time_step": "1h",
            "calendar": "proleptic_gregorian",
            "splits": {"train": ("2000-01-01", "2000-01-10"), "test": ("2000-01-11", "2000-01-20")},
            "statistics": {},
            "seed": 17,
            "precision": "float32",
            "device": "cpu",
            "training": {
                "budget": {"max_epochs": 5},
                "batch_size": 16,
                "samples": 1234,
                "steps": 390,
                "epochs": 5.0,
                "finished": True,
            },
            "git_revision": "abc123",
        }
    )
    shown = page_of(
        tmp_path,
        case.scores,
        forecasts=case.forecasts,
        cards={"ours": card},
        sources=[{"path": "a.nc", "size": 12345, "sha256": "f00d"}],
        command="stforecast verify --report",
    )
    for text in (
        "stforecast verify --report",
        "a.nc sha256 f00d, 12 345 bytes",
        "seed 17",
        "390 steps, 5 epochs",
        "1 234 samples",
        "2000-01-11 to 2000-01-20",
        "abc123",
        "float32",
        '"hid_S": 16',
        "max epochs 5",
    ):
        assert text in shown.text
