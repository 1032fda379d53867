"""Scores on the terminal and in files."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from stforecast import names
from stforecast.errors import StForecastError
from stforecast.verification import read_scores, reference, score_table, verify, write_scores
from tests.helpers import make_store


@pytest.fixture(scope="module")
def scores():
    store = make_store(24 * 20, ["t2m", "tp"], 4, 5)
    inits = np.arange(24 * 10, 24 * 19, 5)
    made = {
        name: reference(name, store, inits, 6, history=4, train=(0, 240))
        for name in ("day_before", "persistence", "history_mean")
    }
    first = made.pop("day_before")
    return verify(first, store.observations(), references=made, by=["lead_time", "hour"], name="m")


def shown(scores, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(score_table(scores))
    console.file.close()
    return console.export_text()


def test_table_side_by_side_where_there_is_room(scores):
    text = shown(scores, 140)
    assert "t2m (K)" in text
    assert "tp (K)" in text
    assert "Apart by hour in the files." in text
    assert "skill vs" in text
    assert "…" not in text
    lines = [line for line in text.splitlines() if line.strip().startswith("all")]
    assert len(lines) == 2
    assert "initial times 2000-01-11" in text


def test_table_is_stacked_where_there_is_none(scores):
    text = shown(scores, 60)
    assert "…" not in text
    assert [line.strip() for line in text.splitlines()].count("MAE") == 2
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60


@pytest.fixture(scope="module")
def frame_scores(scores):
    """The same with metrics of frames made up: the table only lays them out."""
    made = scores.copy()
    shape = scores["rmse"].isel(variable=0, drop=True)
    for number, metric in enumerate(("mse_per_frame", "ssim", "psnr")):
        made[metric] = xr.full_like(shape, 0.123456 * 10**number)
    made["psnr"][1] = np.inf
    made["frames"] = xr.full_like(shape.isel(forecast=0, drop=True), 7, dtype=int)
    made["frames_left_out"] = made["frames"] * 0 + 1
    metrics = "rmse, mae, bias, mse_per_frame, ssim, psnr"
    return made.assign_attrs(metrics=metrics, frame_values="scaled to [0, 1] from 0 to 50")


def test_frames_have_a_table_of_their_own(frame_scores):
    text = shown(frame_scores, 140)
    assert "t2m (K)" in text
    assert text.count("frames in [0, 1]") == 1
    table = text[text.index("frames in [0, 1]") :]
    total = next(line.split() for line in table.splitlines() if line.strip().startswith("all"))
    assert total[1:] == [*["0.123"] * 3, *["1.2346"] * 3, "12.35", "∞", "12.35"]
    count = int(np.prod([frame_scores.sizes[dim] for dim in ("lead_time", "hour")]))
    left = f"{count} of {8 * count} lack a cell and are left out"
    assert f"Frames scaled to [0, 1] from 0 to 50; {left}." in " ".join(text.split())


def test_frames_stand_below_one_another_where_there_is_no_room(frame_scores):
    text = shown(frame_scores, 60)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 60
    lines = [line.strip() for line in text.splitlines()]
    assert lines.count("SSIM") == 1
    assert lines.count("MSE per frame") == 1


def test_lead_times_of_frames_are_their_numbers(frame_scores, tmp_path):
    made = frame_scores.isel(lead_time=[0, 1])
    leads = np.arange(1, 3) * np.timedelta64(1, "s").astype("timedelta64[ns]")
    attrs = {"stforecast_counts": "frames"}
    made = made.assign_coords({names.LEAD_TIME: (names.LEAD_TIME, leads, attrs)})
    assert "in frames" in shown(made, 140)
    netcdf, *tables = write_scores(made, tmp_path)
    for table in tables:
        frame = pd.read_csv(table)
        assert sorted(set(frame["lead_time"])) == [1, 2]
        assert "lead_hours" not in frame
    read = read_scores(netcdf)
    np.testing.assert_array_equal(read[names.LEAD_TIME].values, leads)
    assert read[names.LEAD_TIME].attrs["stforecast_counts"] == "frames"


def test_only_the_metrics_asked_for_are_shown(frame_scores, tmp_path):
    only = frame_scores.assign_attrs(metrics="ssim")
    text = shown(only, 140)
    assert "RMSE" not in text
    assert "skill" not in text
    assert "SSIM" in text
    frame = pd.read_csv(write_scores(only, tmp_path)[2])
    assert list(frame)[-3:] == ["ssim", "frames", "frames_left_out"]


@pytest.mark.parametrize("width", [72, 100, 118, 122, 140])
def test_no_width_cuts_a_number(scores, width):
    tiny = scores.assign({name: scores[name] * 1e-9 for name in ("rmse", "mae", "bias")})
    for table in (scores, tiny):
        lines = shown(table, width).splitlines()
        assert max(len(line.rstrip()) for line in lines) <= width
        whole = f"{float(table['skill'].values[0, -1].flat[0]):+.2f}"
        of_leads = [line.split() for line in lines if line.strip().startswith(("1 h", "6 h"))]
        assert all(len(words[-1]) >= len(whole) for words in of_leads)


def test_table_shows_the_numbers(scores):
    text = shown(scores, 140)
    rmse = float(
        np.sqrt(
            (scores["rmse"] ** 2 * scores["weight"]).sum("hour") / scores["weight"].sum("hour")
        ).sel(forecast="m", variable="t2m")[0]
    )
    line = next(line for line in text.splitlines() if line.strip().startswith("1 h"))
    assert float(line.split()[2]) == pytest.approx(rmse, abs=1e-2)


def test_files_hold_everything(scores, tmp_path):
    netcdf, table = write_scores(scores, tmp_path / "verification")
    assert (netcdf.name, table.name) == ("scores.nc", "scores.csv")
    with xr.open_dataset(netcdf, decode_timedelta=True) as back:
        np.testing.assert_array_equal(back["rmse"], scores["rmse"])
        np.testing.assert_array_equal(back[names.LEAD_TIME], scores[names.LEAD_TIME])
        assert back["rmse"].attrs["definition"] == scores["rmse"].attrs["definition"]
        assert list(back["forecast"].values) == ["m", "persistence", "history_mean"]
    frame = pd.read_csv(table)
    assert len(frame) == 3 * 2 * 6 * 24
    row = frame.query("forecast == 'm' and variable == 'tp' and lead_hours == 3 and hour == 7")
    where = {"variable": "tp", "lead_time": np.timedelta64(3, "h"), "hour": 7}
    expected = scores.sel(where).sel(forecast="m")
    assert row["rmse"].item() == pytest.approx(float(expected["rmse"]))
    assert row["lead_time"].item() == "3 h"
    assert row["skill_vs_persistence"].item() == pytest.approx(
        float(expected["skill"].sel(reference="persistence"))
    )
    assert row["count"].item() == int(expected["count"])
    assert [
        path.name for path in (tmp_path / "verification").iterdir() if path.name[0] == "."
    ] == []


def test_lead_times_that_count_steps(tmp_path):
    store = make_store(40, step="1M")
    made = reference("persistence", store, [20, 21], 3, history=1, train=(0, 20))
    scores = verify(made, store.observations())
    _, table = write_scores(scores, tmp_path)
    frame = pd.read_csv(table)
    assert list(frame["lead_time"]) == [1, 2, 3]
    assert "lead_hours" not in frame
    assert "skill" not in shown(scores, 100)


def test_a_folder_that_cannot_be_written_is_one_sentence(scores, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StForecastError, match=r"cannot write the scores .*; make room or choose another"
    ):
        write_scores(scores, tmp_path / "file" / "deeper")
