"""Scores of several runs put together: formulas, seeds, tables and the figure."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from stforecast.card import TrainingCard
from stforecast.comparison import (
    comparison_table,
    draw,
    gather,
    write_comparison,
)
from stforecast.comparison.campaign import Done
from stforecast.comparison.results import long_frame, ranking, shown_variables, summary_frame
from stforecast.comparison.runs import Run, Status
from stforecast.comparison.tables import comparison_markdown, count_text, seconds_text
from stforecast.errors import StForecastWarning
from stforecast.models.cost import Costs
from stforecast.verification.output import read_scores, write_scores
from tests.comparison.conftest import contenders

LEADS = np.array([1, 2], "timedelta64[h]").astype("timedelta64[ns]")
REFERENCES = ("persistence", "climatology", "hour_of_week")
COSTS = {
    "simvp": Costs(3_500_000, 121_000_000, 60_500_000),
    "convlstm": Costs(120_000, 26_900_000, 13_450_000),
    "mim": Costs(900, 4_000, 2_000),
}


def scores(
    rmse: Any, *, units: tuple[str, ...] = ("count", "count"), count: int = 10, **further: Any
) -> xr.Dataset:
    """Scores as verify gives them: rmse (variable, lead) of the run, those of references fixed."""
    variables = ["departures", "arrivals"][: len(units)]
    own = np.asarray(rmse, float)
    references = [np.full(own.shape, value) for value in (10.0, 8.0, 6.0)]
    values = np.stack([own, *references])
    dims = ("forecast", "variable", "lead_time")
    told = {"units": units[0]}
    return xr.Dataset(
        {
            "rmse": (dims, values, told),
            "mae": (dims, values / 2, told),
            "bias": (dims, values - 9, told),
            "weight": (dims[1:], np.array([[1.0, 3.0], [2.0, 2.0]])[: len(units)]),
            "count": (dims[1:], np.full(own.shape, count)),
            **further,
        },
        coords={
            "forecast": ["small-run", *REFERENCES],
            "variable": variables,
            "variable_units": ("variable", list(units)),
            "lead_time": LEADS,
        },
        attrs={
            "period": "initial times 2013-01-01 to 2013-12-31",
            "averaging": "over 100 initial times and all cells, all cells alike",
            "metrics": "rmse, mae, bias",
            "initial_times": 100,
        },
    )


def card(seed: int) -> Any:
    training = TrainingCard(
        budget={"max_time": "2min"},
        batch_size=16,
        samples=100,
        steps=1000 + seed,
        epochs=2.5,
        seconds=120,
        step_seconds=0.1 + seed / 100,
        finished=True,
    )
    return SimpleNamespace(training=training, device="cpu", precision="float32")


def result_of(found: dict[tuple[str, int], xr.Dataset | str], budget: str = "2min") -> xr.Dataset:
    chosen = {
        item.label: item
        for item in contenders({name: {} for name, _ in found}, max_steps=None, max_time=budget)
    }
    done = []
    for (label, seed), given in found.items():
        run = Run(chosen[label], seed, Path(f"{label}-seed{seed}"), Status.FINISHED)
        if isinstance(given, str):
            done.append(Done(run, failure=given))
        else:
            done.append(Done(run, card(seed), given))
    campaign: Any = SimpleNamespace(
        costs=COSTS, budget=f"max_time {budget}", task=SimpleNamespace(name="taxi")
    )
    return gather(campaign, done)


@pytest.fixture(scope="module")
def result() -> xr.Dataset:
    return result_of(
        {
            ("simvp", 0): scores([[3, 4], [5, 6]]),
            ("convlstm", 0): scores([[7, 7], [7, 7]]),
            ("mim", 0): scores([[2, 2], [2, 2]]),
            ("simvp", 1): scores([[5, 4], [3, 2]]),
            ("convlstm", 1): scores([[9, 9], [9, 9]]),
            ("mim", 1): "the loss is not finite at step 3",
        }
    )


def test_scores_over_lead_times_are_of_all_values(result):
    one = result.sel(model="simvp", seed=0)
    np.testing.assert_array_equal(one.rmse.sel(variable="departures"), [3, 4])
    expected = np.sqrt((9 * 1 + 16 * 3) / 4), np.sqrt((25 * 2 + 36 * 2) / 4)
    np.testing.assert_allclose(one.rmse_over_leads.values[:2], expected)
    np.testing.assert_allclose(one.mae_over_leads.values[:2], [(1.5 + 2 * 3) / 4, (2.5 + 3) / 2])
    np.testing.assert_allclose(one.bias_over_leads.values[:2], [(-6 - 15) / 4, (-4 - 3) / 2])


def test_all_variables_together_are_all_their_values(result):
    assert list(result.variable.values) == ["departures", "arrivals", "all"]
    one = result.sel(model="simvp", seed=0, variable="all")
    np.testing.assert_allclose(
        one.rmse, [np.sqrt((9 * 1 + 25 * 2) / 3), np.sqrt((16 * 3 + 36 * 2) / 5)]
    )
    squares = 9 * 1 + 16 * 3 + 25 * 2 + 36 * 2
    np.testing.assert_allclose(one.rmse_over_leads, np.sqrt(squares / 8))


def test_variables_of_other_units_stay_apart():
    apart = result_of({("simvp", 0): scores([[3, 4], [5, 6]], units=("K", "Pa"))})
    assert list(apart.variable.values) == ["departures", "arrivals"]
    assert shown_variables(apart) == ["departures", "arrivals"]
    assert len(draw(apart).axes) == 4


def test_one_variable_is_itself():
    single = result_of({("simvp", 0): scores([[3, 4]], units=("K",))})
    assert shown_variables(single) == ["departures"]
    assert "RMSE of each variable" not in comparison_markdown(single)


def test_skill_is_against_the_reference_of_the_same_cells(result):
    skill = result.skill.sel(model="convlstm", seed=0, reference="climatology", variable="all")
    np.testing.assert_allclose(skill, 1 - 7 / 8)
    over = result.skill_over_leads.sel(model="convlstm", reference="hour_of_week", variable="all")
    np.testing.assert_allclose(over, [1 - 7 / 6, 1 - 9 / 6])


def test_groups_are_put_together():
    apart = scores([[3, 4], [5, 6]])
    hours = xr.concat([apart, apart.assign(rmse=apart.rmse * 2)], "hour", data_vars="all")
    grouped = hours.assign_coords(hour=[0, 12]).transpose("forecast", "variable", "lead_time", ...)
    found = result_of({("simvp", 0): grouped})
    expected = np.sqrt((1 + 4) / 2) * np.array([3, 4])
    np.testing.assert_allclose(found.rmse.sel(variable="departures").values[0, 0], expected)


def test_metrics_of_frames_are_kept(tmp_path):
    values = np.array([[30.0, 50.0], [90, 90], [80, 80], [70, 70]])
    frames = {
        "mse_per_frame": (("forecast", "lead_time"), values),
        "frames": ("lead_time", [3, 1]),
        "frames_left_out": ("lead_time", [0, 0]),
    }
    found = scores([[3, 4], [5, 6]], **frames)
    found.attrs["metrics"] = "rmse, mse_per_frame"
    result = result_of({("simvp", 0): found})
    assert result.mse_per_frame.dims == ("model", "seed", "lead_time")
    assert result.mse_per_frame_over_leads.item() == (30 * 3 + 50) / 4
    assert set(
        long_frame(result).query("model == 'simvp' and lead_time == 'all'").mse_per_frame
    ) == {35.0}
    markdown = comparison_markdown(result)
    assert "| MSE per frame |" in markdown
    assert "| MAE |" not in markdown
    assert "35.0" in markdown


def test_costs_stand_beside_scores(result):
    assert list(result.parameters.values) == [3_500_000, 120_000, 900]
    assert list(result.multiply_adds.values) == [121_000_000, 26_900_000, 4_000]
    np.testing.assert_array_equal(result.steps.sel(model="simvp"), [1000, 1001])
    assert np.isnan(result.steps.sel(model="mim", seed=1))


def test_summary_is_of_the_seeds_that_there_are(result):
    frame = summary_frame(result)
    whole = frame[frame.variable == "all"].set_index("model")
    assert list(whole.index) == ["mim", "simvp", "convlstm", *REFERENCES]
    first, second = (
        result.rmse_over_leads.sel(model="simvp", variable="all", seed=seed).item()
        for seed in (0, 1)
    )
    assert whole.rmse["simvp"] == pytest.approx((first + second) / 2)
    assert whole.rmse_std["simvp"] == pytest.approx(abs(first - second) / np.sqrt(2))
    assert whole.runs["mim"] == 1
    assert whole.failed["mim"] == 1
    assert whole.rmse["mim"] == 2
    assert np.isnan(whole.rmse_std["mim"])
    assert whole.rmse["persistence"] == 10
    assert pd.isna(whole.parameters["persistence"])
    assert whole.skill_vs_climatology["convlstm"] == pytest.approx(0)


def test_long_form_has_every_run_and_reference(result):
    frame = long_frame(result)
    assert len(frame) == (5 + 3) * 3 * (2 + 1)
    assert not ((frame.model == "mim") & (frame.seed == 1)).any()
    row = frame.query("model == 'simvp' and seed == 1 and variable == 'arrivals'").iloc[1]
    assert (row.lead_time, row.lead_hours, row.rmse, row.mae) == ("2 h", 2.0, 2.0, 1.0)
    assert row.skill_vs_persistence == pytest.approx(0.8)
    assert row.units == "count"
    assert frame.query("model == 'persistence'").seed.isna().all()


def test_leads_that_are_no_durations():
    monthly = scores([[3, 4], [5, 6]]).assign_coords(lead_time=[1, 2])
    frame = long_frame(result_of({("simvp", 0): monthly}))
    assert list(frame.lead_time[:3]) == ["1", "2", "all"]
    assert "lead_hours" not in frame


def test_a_model_that_never_succeeds_comes_last():
    found = result_of({("mim", 0): "out of memory", ("convlstm", 0): scores([[9, 9], [9, 9]])})
    assert ranking(found) == ["convlstm", "mim"]
    markdown = comparison_markdown(found)
    assert "| mim | 900 | 4.00 k | – | – | – |" in markdown
    assert "mim, seed 0 failed: out of memory." in markdown
    assert len(draw(found).axes[0].containers) == 1


def test_runs_scored_on_fewer_values_are_told():
    with pytest.warns(StForecastWarning, match="forecasts of mim, seed 0 miss values"):
        result_of(
            {("simvp", 0): scores([[3, 4], [5, 6]]), ("mim", 0): scores([[3, 4], [5, 6]], count=9)}
        )


def test_the_table_on_a_terminal(result):
    console = Console(width=120, record=True)
    console.print(comparison_table(result))
    text = console.export_text()
    assert "departures and arrivals (count)" in text
    for words in ("simvp", "3.50 M", "121 M", "105 ms", "hour of week", "+0.59", "2 h"):
        assert words in text
    mean, spread = (
        summary_frame(result)
        .query("model == 'simvp' and variable == 'all'")[["rmse", "rmse_std"]]
        .values[0]
    )
    assert f"{mean:.2f} ± {spread:.2f}" in text
    assert "mean ± standard deviation over the seeds 0, 1; max_time 2min, cpu in float32" in text
    assert "mim, seed 1 failed: the loss is not finite at step 3." in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_longer_than_the_terminal(result, width):
    console = Console(width=width, record=True)
    console.print(comparison_table(result))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert any("convlstm" in line for line in lines)


def test_markdown_is_a_table(result):
    lines = comparison_markdown(result).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert tables[0].startswith("| model | parameters | multiply-adds | steps | time of a step |")
    assert len({line.count("|") for line in tables[:8]}) == 1
    assert tables[2].startswith("| mim | 900 | 4.00 k | 1000 | 100 ms | 2.00 | 2.00 | 2.00 |")
    assert any(line.startswith("| persistence | 10.00 | 10.00 | 10.00 |") for line in tables)


def test_files(result, tmp_path):
    paths = write_comparison(result, tmp_path / "compare")
    assert [path.name for path in paths] == [
        "scores.csv",
        "summary.csv",
        "summary.json",
        "comparison.md",
        "error_against_cost.png",
    ]
    frame = pd.read_csv(paths[0])
    assert len(frame) == len(long_frame(result))
    described = json.loads(paths[2].read_text())
    assert described["budget"] == "max_time 2min"
    assert described["failures"] == {"mim, seed 1": "the loss is not finite at step 3"}
    assert described["rows"][0]["model"] == "mim"
    assert paths[4].read_bytes()[:4] == b"\x89PNG"


def test_the_figure(result):
    figure = draw(result)
    panels = figure.axes
    assert [axes.get_xscale() for axes in panels] == ["log", "log"]
    assert panels[0].get_xlabel() == "multiply-adds of a forecast of one sample"
    assert panels[0].get_ylabel() == "RMSE of departures and arrivals (count)"
    texts = [text.get_text() for text in panels[1].get_legend().get_texts()]
    assert texts[0] == "mim  2.000"
    assert texts[1].startswith("simvp  4.")
    assert "±" in texts[1]
    assert texts[3:] == ["persistence  10.00", "climatology  8.000", "hour of week  6.000"]
    points = {bar.lines[0].get_xydata()[0].tolist()[0] for bar in panels[0].containers}
    assert points == {4_000, 26_900_000, 121_000_000}
    front = panels[0].lines[0].get_xydata()
    np.testing.assert_allclose(front, [[4000, 2]])  # cheaper and better than all others


def test_nothing_in_the_figure_overlaps(result):
    figure = draw(result)
    figure.canvas.draw()
    for axes in figure.axes:
        ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks))
        assert len(ticks) >= 3
    legend = figure.axes[1].get_legend().get_window_extent()
    assert legend.x0 >= figure.axes[1].get_window_extent().x1
    assert legend.x1 <= figure.bbox.x1


def test_references_far_off_are_left_out_of_the_figure():
    far = scores([[3, 4], [5, 6]])
    far["rmse"][1], far["rmse"][3] = 1000, 5
    lines = draw(result_of({("simvp", 0): far})).axes[1].get_legend().get_texts()
    assert [text.get_text().split("  ")[0] for text in lines] == ["simvp", "hour of week"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (7, "7"),
        (999, "999"),
        (1234, "1.23 k"),
        (57_950_000, "58.0 M"),
        (999_700, "1.00 M"),
        (3.61e9, "3.61 G"),
        (270.7e9, "271 G"),
        (np.nan, "–"),
    ],
)
def test_counts_in_words(number, text):
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12.3 ms"), (0.285, "285 ms"), (1.0, "1.00 s"), (75.2, "75.2 s"), (np.nan, "–")],
)
def test_times_in_words(seconds, text):
    assert seconds_text(seconds) == text


@pytest.mark.parametrize("units", ["K", "s", "days"])
def test_scores_come_back_from_their_file(tmp_path, units):
    given = scores([[3, 4]], units=(units,))
    write_scores(given, tmp_path)
    again = read_scores(tmp_path / "scores.nc")
    np.testing.assert_array_equal(again.rmse.values, given.rmse.values)
    np.testing.assert_array_equal(again.lead_time.values, given.lead_time.values)
    assert again.attrs["metrics"] == given.attrs["metrics"]
