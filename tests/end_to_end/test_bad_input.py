"""Bad input of every kind: one sentence, a non-zero exit, nothing lost."""

import errno
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.end_to_end.conftest import EXPERIMENT, small_dataset

# --- files -----------------------------------------------------------------------------------


def test_missing_file(workspace):
    workspace.refuses("ingest", "none.nc", saying="none.nc")
    workspace.refuses("ingest", "none_*.nc", saying="none_*.nc")


def test_empty_file(workspace):
    Path("empty.nc").touch()
    workspace.refuses("ingest", "empty.nc", saying=("empty.nc", "empty"))


def test_truncated_file(workspace):
    whole = Path("small.nc").read_bytes()
    Path("half.nc").write_bytes(whole[: len(whole) // 2])
    workspace.refuses("ingest", "half.nc", saying="half.nc")


def test_a_file_of_another_kind(workspace):
    Path("notes.nc").write_text("these are notes\n" * 100)
    workspace.refuses("ingest", "notes.nc", saying="notes.nc")


def test_no_time_axis(workspace):
    small_dataset().isel(time=0, drop=True).to_netcdf("still.nc")
    workspace.refuses("ingest", "still.nc", saying="time")


def test_one_time_step(workspace):
    small_dataset(1).to_netcdf("one.nc")
    workspace.refuses("ingest", "one.nc", saying="at least two")


def test_times_that_follow_no_step(workspace):
    hours = np.array([0, 1, 2, 3.5, 7.1, 9.3, 12.7, 20.9, 30.2, 55.4])
    times = np.datetime64("2000-01-01", "ns") + (hours * 3600e9).astype("timedelta64[ns]")
    small_dataset(10).assign_coords(time=times).to_netcdf("odd.nc")
    workspace.refuses("ingest", "odd.nc", saying=("not regular", "time_step"))


def test_all_missing(workspace):
    dataset = small_dataset()
    dataset.where(dataset.t2m > 1e9).to_netcdf("void.nc")
    workspace.refuses("ingest", "void.nc", saying=("t2m", "missing"))


def test_two_grids(workspace):
    other = small_dataset(height=3, width=4).rename(t2m="rain", lat="lat2", lon="lon2")
    xr.merge([small_dataset(), other]).to_netcdf("two.nc")
    workspace.refuses("ingest", "two.nc", saying=("two grids", "data.variables"))


def test_text_values(workspace):
    dataset = small_dataset()
    dataset["t2m"] = (dataset.t2m.dims, np.full(dataset.t2m.shape, "warm", dtype=object))
    dataset.to_netcdf("words.nc")
    workspace.refuses("ingest", "words.nc", saying="text")


def test_wrong_variable(workspace):
    workspace.refuses("ingest", "--set", "data.variables=[t2n]", saying=("t2n", "t2m"))


def test_unknown_reader(workspace):
    workspace.refuses("ingest", "--reader", "netcfd", saying=("netcfd", "netcdf"))


def test_region_outside_the_grid(workspace):
    region = "data.region={west: 100, east: 120, south: 50, north: 60}"
    workspace.refuses("ingest", "--set", region, saying="region")


def test_period_outside_the_record(workspace):
    workspace.refuses("ingest", "--set", "data.period=[2010, 2011]", saying="2010")


def test_a_dimension_that_is_not_there(workspace):
    workspace.refuses("ingest", "--set", "data.select.level=500", saying="level")


def test_no_files_at_all(workspace):
    workspace.refuses("ingest", "--set", "data.files=[]", saying="data.files")


# --- places ----------------------------------------------------------------------------------


def test_store_exists(made):
    made.refuses("ingest", saying=("runs/small/store.zarr", "--overwrite"))


def test_something_else_is_where_the_store_should_be(workspace):
    Path("data.zarr").write_text("my only copy")
    workspace.refuses("ingest", "--output", "data.zarr", saying="data.zarr")
    workspace.refuses("ingest", "--output", "data.zarr", "--overwrite", saying="data.zarr")
    Path("photos").mkdir()
    Path("photos/a.png").write_text("a photo")
    workspace.refuses("ingest", "--output", "photos", "--overwrite", saying="photos")


def test_a_file_is_where_the_folder_should_be(workspace):
    Path("runs").write_text("a file")
    workspace.refuses("ingest", saying="runs")


def refusing(number):
    """What the system does where it refuses to write."""

    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number), "runs")

    return refuse


def test_read_only_folder(workspace, monkeypatch):
    # root may write anywhere, so the system is made to refuse
    monkeypatch.setattr(os, "mkdir", refusing(errno.EROFS))
    workspace.refuses("ingest", saying="runs")


def test_read_only_folder_for_a_run(made, monkeypatch):
    monkeypatch.setattr(os, "mkdir", refusing(errno.EACCES))
    made.refuses("train", "--replace", saying="run")


def test_full_disk_while_reading(made, monkeypatch):
    monkeypatch.setattr(os, "rename", refusing(errno.ENOSPC))
    monkeypatch.setattr(os, "replace", refusing(errno.ENOSPC))
    made.refuses("ingest", "--overwrite", saying="no space left")


def test_full_disk_while_forecasting(made, monkeypatch):
    monkeypatch.setattr(os, "replace", refusing(errno.ENOSPC))
    made.refuses("forecast", saying=("forecast.nc", "No space left"))


@pytest.mark.parametrize(
    "words",
    [
        ("ingest", "--overwrite"),
        ("train", "--replace"),
        ("forecast",),
        ("verify",),
        ("plot",),
        ("new", "other", "--data", "small.nc"),
    ],
    ids=lambda words: words[0],
)
def test_the_system_refuses_in_the_middle_of_a_file(made, words):
    # no file may grow beyond this, which is met deep inside the libraries as a full disk is
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        made.refuses(*words, saying=("write", "runs/small" if words[0] != "new" else "other"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- experiment files ------------------------------------------------------------------------


def test_unknown_key(workspace):
    Path("x.yaml").write_text(EXPERIMENT.replace("max_steps", "max_stps"))
    workspace.refuses(
        "ingest", "-c", "x.yaml", saying=("x.yaml, line 6", "did you mean training.max_steps?")
    )


def test_bad_yaml(workspace):
    Path("x.yaml").write_text(EXPERIMENT + "maps: [\n")
    workspace.refuses("train", "-c", "x.yaml", saying="x.yaml, line")


def test_wrong_type(workspace):
    Path("x.yaml").write_text(EXPERIMENT.replace("batch_size: 8", "batch_size: eight"))
    workspace.refuses("train", "-c", "x.yaml", saying="training.batch_size is eight")


def test_no_such_experiment_file(workspace):
    workspace.refuses("train", "-c", "none.yaml", saying="none.yaml")


@pytest.mark.parametrize(
    ("size", "saying"),
    [
        ("10MB", "Error: --memory-limit must be at least 400MB"),
        ("lots", "Error: --memory-limit: 'lots' is no size; write it as 512MB or 2GB"),
        ("0", "Error: --memory-limit is 0; it must be a number above 0"),
    ],
)
def test_memory_that_is_none_or_too_little(workspace, size, saying):
    workspace.refuses("ingest", "small.nc", "--memory-limit", size, saying=saying)


@pytest.mark.parametrize("command", ["ingest", "train", "forecast", "verify", "plot"])
def test_bad_override(workspace, command):
    workspace.refuses(command, "--set", "training.sede=1", saying="did you mean training.seed?")


def test_new_does_not_overwrite(workspace):
    workspace.refuses("new", "stforecast", "--data", "small.nc", saying="--overwrite")
    workspace.refuses("new", "x", "--data", "small.nc", "--from", "taxibi", saying="taxibj")
    workspace.refuses("new", "x", "--data", "none.nc", saying="none.nc")


# --- training --------------------------------------------------------------------------------


def test_no_store_yet(workspace):
    workspace.refuses("train", saying=("runs/small/store.zarr", "stforecast ingest"))


def test_a_run_is_no_store(made):
    told = ("is a trained run and no tensor store", "such as runs/small/store.zarr")
    for run in ("runs/small/model", "runs/small"):
        made.refuses("forecast", "--store", run, saying=told)
        made.refuses("train", "--store", run, saying=told)


def test_run_exists(made):
    made.refuses("train", saying=("finished run", "--replace"))


def test_nothing_to_resume(made):
    shutil.rmtree("runs/small/model")
    made.refuses("train", "--resume", saying="--resume")


def test_unknown_model(made):
    made.refuses(
        "train", "--replace", "--set", "model.name=simpv", saying=("simpv", "did you mean")
    )


def test_unknown_setting_of_the_model(made):
    made.refuses("train", "--replace", "--set", "model.hid_X=3", saying="hid_X")


def test_record_too_short_for_the_windows(made):
    made.refuses("train", "--replace", "--set", "windows.history=70", saying="history")


def test_windows_that_are_no_whole_steps(made):
    made.refuses("train", "--replace", "--set", "windows.history=90min", saying="90min")


def test_split_outside_the_record(made):
    split = "data.split={train: 2010, test: 2011}"
    made.refuses("train", "--replace", "--set", split, saying="2010")


def test_a_damaged_store(made):
    Path("runs/small/store.zarr/zarr.json").write_text("{")
    made.refuses("train", "--replace", saying="store.zarr")


# --- forecasts -------------------------------------------------------------------------------


def test_no_run_yet(made):
    shutil.rmtree("runs/small/model")
    made.refuses("forecast", saying=("runs/small/model", "stforecast train"))
    made.refuses("forecast", "runs/small", saying="runs/small")
    made.refuses("forecast", "nowhere", saying="nowhere")


@pytest.mark.parametrize("horizon", ["0", "-1", "90min", "0h", "soon", "1M"])
def test_bad_horizon(made, horizon):
    made.refuses("forecast", f"--horizon={horizon}", saying=("horizon", horizon))


def test_run_for_another_grid(made):
    small_dataset(height=5).to_netcdf("other.nc")
    made.refuses("forecast", "--history", "other.nc", saying=("6×8", "5×8"))


def test_run_for_other_units(made):
    small_dataset(units="degC").to_netcdf("other.nc")
    made.refuses("forecast", "--history", "other.nc", saying=("K", "degC"))


def test_run_for_another_variable(made):
    small_dataset().rename(t2m="rain").to_netcdf("other.nc")
    made.refuses("forecast", "--history", "other.nc", saying="t2m")


def test_history_too_short(made):
    small_dataset(2).to_netcdf("short.nc")
    made.refuses("forecast", "--history", "short.nc", saying="history of 3")


def test_initial_time_outside_the_record(made):
    made.refuses("forecast", "--init-time", "2000-02-01", saying="2000-02-01")
    made.refuses("forecast", "--init-time", "yesterday", saying="yesterday")


def test_unknown_period(made):
    made.refuses("forecast", "--period", "tset", saying="tset")
    made.refuses("forecast", "--period", "2010-01-01/2010-01-31", saying="2010-01-01")


def test_wrong_ending(made):
    made.refuses("forecast", "--output", "forecast.png", saying=("forecast.png", ".nc"))


def test_something_else_is_where_the_forecast_should_go(made):
    made.refuses("forecast", "--output", "small.nc", saying=("small.nc", "--overwrite"))


def test_weights_are_lost(made):
    os.remove("runs/small/model/model.safetensors")
    made.refuses("forecast", saying="model.safetensors")


# --- verification and maps -------------------------------------------------------------------


def test_no_forecast_yet(made):
    shutil.rmtree("runs/small/verification")
    os.remove("runs/small/forecast.nc")
    made.refuses("plot", saying="stforecast forecast")
    made.refuses("plot", "none.nc", saying="none.nc")
    made.refuses("plot", "runs/small", saying=("runs/small is a folder", "forecast.nc"))
    made.refuses("info", "small.nc", saying=("no lead times", "stforecast ingest small.nc"))


def test_not_a_forecast(made):
    Path("notes.nc").write_text("notes")
    made.refuses("plot", "notes.nc", saying="notes.nc is neither NetCDF nor Zarr")
    made.refuses("verify", "notes.nc", "--observations", "small.nc", saying="notes.nc")
    made.refuses("plot", "runs/small/store.zarr", saying="not a forecast")


def test_a_forecast_without_observations(made):
    made.refuses("verify", "runs/small/forecast.nc", saying="--observations")


def test_observations_on_another_grid(made):
    small_dataset(height=5).to_netcdf("other.nc")
    made.refuses(
        "verify", "runs/small/verification/hindcast.nc", "--observations", "other.nc", saying="grid"
    )


def test_observations_of_other_times(made):
    late = small_dataset()
    late.assign_coords(time=late.time + np.timedelta64(9000, "D")).to_netcdf("late.nc")
    made.refuses(
        "verify", "runs/small/verification/hindcast.nc", "--observations", "late.nc", saying="time"
    )


def test_unknown_variable_to_draw(made):
    made.refuses("plot", "--variable", "t2n", saying=("t2n", "t2m"))


def test_unknown_lead_time_to_draw(made):
    made.refuses("plot", "--lead-time", "99h", saying="99h")


def test_unknown_initial_time_to_draw(made):
    made.refuses("plot", "--init-time", "1990-01-01", saying="1990-01-01")


# --- info ------------------------------------------------------------------------------------


def test_nothing_to_describe(made):
    made.refuses("info", "none", saying="none")
    made.refuses("info", "runs", saying="runs")
    made.refuses("info", "stforecast.yaml", saying="stforecast.yaml")
