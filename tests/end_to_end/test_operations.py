"""The operational day of docs/operations.md: two lines, run again and again."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.end_to_end.conftest import EXPERIMENT, small_dataset

NOW = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "h")


@pytest.fixture
def day(made):
    """A trained run, and an experiment whose store is to be made of what comes in."""
    experiment = EXPERIMENT.replace("files: small.nc", "store: now.zarr")
    Path("stforecast.yaml").write_text(experiment)
    Path("incoming").mkdir()
    return made


def arrive(name: str, first: int, last: int) -> None:
    """A file with the hours from `first` to `last`, counted from now."""
    times = NOW.astype("M8[ns]") + np.arange(first, last + 1) * np.timedelta64(1, "h")
    dataset = small_dataset(n=200).isel(time=slice(100 + first, 101 + last))
    dataset = dataset.assign_coords(time=("time", times, dataset["time"].attrs))
    dataset.to_netcdf(f"incoming/{name}.nc")


def ingest(day):
    """`stforecast ingest --append incoming/*.nc`, with the pattern as a shell expands it."""
    return day.works("ingest", "--append", *sorted(Path("incoming").glob("*.nc")))


def test_a_day(day):
    arrive("a", -30, -5)
    ingest(day)
    before = Path("runs/small/forecast.nc").read_bytes()
    output = day.run("forecast", "--max-age", "2h")
    assert output.exit_code == 1
    assert "now.zarr is stale: its last time with values is" in output.output
    assert "hours ago, and --max-age is 2h" in output.output
    assert Path("runs/small/forecast.nc").read_bytes() == before

    arrive("b", -4, -3)
    arrive("c", -1, 0)
    told = ingest(day).stdout
    assert "added" in told
    assert "1 hour is absent" in told
    assert "--max-age is 2h" not in day.run("forecast", "--max-age", "2h").output

    arrive("d", -2, 0)
    assert "filled" in ingest(day).stdout
    day.works("forecast", "--max-age", "2h")
    with xr.open_dataset("runs/small/forecast.nc", decode_timedelta=True) as forecast:
        assert forecast["init_time"].values == [NOW]

    again = ingest(day).stdout
    assert "all that the files hold" in again
    day.works("check", "now.zarr")


def test_what_excludes_what(day):
    day.refuses("ingest", "--append", "--overwrite", saying="exclude each other", code=2)
    day.refuses(
        *("forecast", "--max-age", "2h", "--period", "test"),
        saying="--max-age is for forecasts from the end of the record",
        code=2,
    )
    Path("stforecast.yaml").unlink()
    day.refuses("ingest", "--append", "small.nc", saying="which store to add to; name it with")


def test_a_store_that_keeps_its_versions(day):
    arrive("a", -30, -5)
    ingest_to = ("ingest", "--append", "--output", "now.icechunk")
    day.works(*ingest_to, "incoming/a.nc")
    arrive("b", -6, 0)
    day.works(*ingest_to, "incoming/b.nc")
    listed = day.works("info", "now.icechunk", "--versions").stdout
    assert "append: 31 times" in listed
    assert "ingest: 26 times" in listed
    assert "31 from" in day.works("info", "now.icechunk").stdout
    day.works("forecast", "--store", "now.icechunk", "--max-age", "2h")
    day.works("check", "now.icechunk")
    day.refuses("info", "runs/small/store.zarr", "--versions", saying="keeps no versions")
