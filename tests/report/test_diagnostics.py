"""What stands on the page where scores have intervals and diagnostics."""

import re

import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.report.pictures import cases_of
from stforecast.report.subject import Results, Subject, known_thresholds
from tests.report.test_report import page_of


@pytest.fixture(scope="module")
def page(case, diagnosed, tmp_path_factory):
    return page_of(
        tmp_path_factory.mktemp("report"),
        diagnosed,
        forecasts=case.forecasts,
        observations=case.store.observations(),
    )


def test_every_diagnostic_has_its_section_and_terms(page):
    for title in (
        "Best and worst case",
        "Where the errors are",
        "At or above thresholds",
        "How sure the forecast is",
        "Patterns of all sizes",
    ):
        assert title in page.text
    for term in (
        "CSI Critical success",
        "FSS Fractions",
        "rank histogram How often",
        "interval The",
    ):
        assert term in page.text


def test_best_and_worst_case_are_those_of_the_scores(case, diagnosed, page):
    rmse = diagnosed["case_rmse"].sel({names.SYSTEM: "ours", names.VARIABLE: "t2m"})
    rows = page.table("smallest RMSE")
    row = next(row for row in rows if row[0] == "test t2m")
    inits = rmse[names.INIT_TIME].values
    best, worst = int(np.argmin(rmse.values)), int(np.argmax(rmse.values))
    for cells, at in ((row[1:3], best), (row[4:6], worst)):
        assert cells[0] == f"{float(rmse[at]):.3f} K"
        assert cells[1].replace(" ", "T") in str(inits[at])
    assert row[3] == f"{float(rmse.median()):.3f} K"
    assert row[7] == "44"
    subject = Subject(Results(diagnosed), case.forecasts, case.store.observations())
    found = cases_of(subject, "t2m")
    assert found is not None
    assert (found.best.position, found.worst.position) == (best, worst)


def test_maps_are_pictures_with_words(page):
    pictures = [address for address in page.addresses if address.startswith("data:image/png")]
    assert len(pictures) == 2 * 2 + 2
    words = [label for label in page.labels if label.startswith("Maps of")]
    assert len(words) == 6
    assert sum("the worst of 44 initial times" in label for label in words) == 2


def test_without_forecasts_there_are_no_maps(diagnosed, tmp_path):
    bare = page_of(tmp_path, diagnosed.sel({names.VARIABLE: ["tp"]}))
    assert not any(address.startswith("data:") for address in bare.addresses)
    assert "RMSE of single initial times" in bare.text


def test_intervals_stand_below_their_numbers(diagnosed, page):
    rows = page.table("forecast ours")
    low, high = (
        float(diagnosed[f"rmse_{end}"].sel({names.SYSTEM: "ours", names.VARIABLE: "t2m"})[0])
        for end in ("lower", "upper")
    )
    assert rows[1][1].endswith(f"{low:.3f} to {high:.3f}")
    assert "No intervals were worked out" not in page.text


def test_skill_within_its_interval_of_zero_is_not_called_better(case, tmp_path):
    scores = case.scores.copy()
    scores["skill_lower"] = scores["skill"] - 2
    scores["skill_upper"] = scores["skill"] + 2
    shown = page_of(tmp_path, scores)
    assert "No reference is clearly better" in shown.text
    assert "cannot be told from this period: the interval of the skill holds 0" in shown.text
    assert "▼ marks" in shown.text
    cell = shown.table("skill against persistence")[1][-2]
    assert "?" in cell
    assert "▼" not in cell


def test_thresholds_are_those_of_their_variable(diagnosed, page):
    results = Results(diagnosed)
    assert known_thresholds(results, "t2m") == [10.0, 12.5]
    assert known_thresholds(results, "tp") == [10.0]
    rows = page.table("CSI ours")
    csi = diagnosed["csi"].sel({names.SYSTEM: "ours", names.VARIABLE: "t2m", "threshold": 10.0})
    assert [row[1] for row in rows[1:]] == [f"{float(value):.3f}" for value in csi]
    better = (diagnosed["csi"].sel(variable="t2m", threshold=10.0)[1] > csi).values
    assert better.any()
    assert "Persistence foresees test t2m of 10 K or more better" in page.text


def test_an_ensemble_too_sure_of_itself_is_said(page):
    assert "too sure of itself (spread too small) for test t2m at every lead time" in page.text
    assert "spread/error is 0.60, where 1 is right" in page.text
    label = next(label for label in page.labels if label.startswith("Rank histogram"))
    assert re.search(
        r"outside all 10 members in [\d.]+ % of the cases, where 18.2 % is right", label
    )


def test_intervals_that_promise_too_much_are_said(case, tmp_path):
    product = case.forecasts["ours"].copy()
    for side in ("lower", "upper"):
        product[f"t2m_{side}"] = product["t2m"].assign_attrs({names.COVERAGE: 0.9})
    scores = case.scores.assign(coverage=xr.full_like(case.scores["rmse"], 0.82))
    shown = page_of(tmp_path, scores, forecasts={"ours": product})
    assert (
        "Intervals for test t2m hold the observation in 82 % of the cases at every lead time, not "
        "in the 90 % they state"
    ) in shown.text


def test_a_blurred_forecast_shows(page):
    rows = page.table("first lead time last lead time")
    # the variance of half of the sizes falls from 0.57 to 0.25 of that observed
    share = float(rows[1][1].removesuffix(" %"))
    waves = np.arange(1.0, 9.0)
    part = np.linspace(1, 0.25, 8)
    expected = (waves**-3 * part)[4:].sum() / (waves**-3)[4:].sum()
    assert share == pytest.approx(100 * expected, abs=0.51)


def test_a_page_with_everything_needs_nothing_else(page):
    assert not re.search(r"https?:", " ".join(page.addresses))
    assert len(page.ids) == len(set(page.ids))
    assert sum(map(len, page.addresses)) < 4e6
    assert "script" not in page.elements
