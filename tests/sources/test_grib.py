"""GRIB files: level types, steps, truncation, no traces left."""

import sys
from pathlib import Path

import eccodes
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.ingest.transform import build_record
from stforecast.options import DataOptions
from stforecast.sources import find_source, open_source

LAT, LON = np.arange(50.0, 47, -1), np.arange(5.0, 9)


def messages(path: Path, *fields: dict, edition: int = 2) -> Path:
    """A file with one message for each field: its GRIB keys, and `value` everywhere."""
    with path.open("wb") as file:
        for field in fields:
            keys = dict(field)
            value = keys.pop("value")
            handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
            grid = {
                "Ni": LON.size,
                "Nj": LAT.size,
                "latitudeOfFirstGridPointInDegrees": LAT[0],
                "latitudeOfLastGridPointInDegrees": LAT[-1],
                "longitudeOfFirstGridPointInDegrees": LON[0],
                "longitudeOfLastGridPointInDegrees": LON[-1],
                "iDirectionIncrementInDegrees": 1,
                "jDirectionIncrementInDegrees": 1,
            }
            for key, item in {**grid, **keys}.items():
                eccodes.codes_set(handle, key, item)
            numbers = value + np.arange(LAT.size * LON.size)
            eccodes.codes_set_values(handle, numbers.astype(float))
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    return path


def field(name: str, level: str, at: int, value: float, hour: int, **keys) -> dict:
    date = {"dataDate": 20200101 + hour // 24, "dataTime": hour % 24 * 100}
    return {
        "shortName": name,
        "typeOfLevel": level,
        "level": at,
        "value": value,
        **date,
        **keys,
    }


@pytest.fixture
def many(tmp_path) -> Path:
    """t2m, u10, pressure levels and surface pressure of three hours in one file."""
    fields = []
    for hour in range(3):
        fields += [
            field("2t", "heightAboveGround", 2, 280 + hour, hour),
            field("10u", "heightAboveGround", 10, hour, hour),
            field("sp", "surface", 0, 1e5 + hour, hour),
            field("t", "isobaricInhPa", 500, 250 + hour, hour),
            field("t", "isobaricInhPa", 850, 270 + hour, hour),
            field("t", "surface", 0, 290 + hour, hour),
        ]
    return messages(tmp_path / "many.grib2", *fields)


def test_all_level_types_of_a_file(many, tmp_path):
    assert find_source([many]) == "netcdf"
    dataset = open_source([many])
    assert set(dataset.data_vars) == {"t2m", "u10", "sp", "t_isobaricInhPa", "t_surface"}
    for name, base in (("t2m", 280), ("u10", 0), ("sp", 1e5), ("t_surface", 290)):
        np.testing.assert_allclose(dataset[name][:, 0, 0], base + np.arange(3), atol=0.1)
    with pytest.raises(DataError, match=r"2 values of isobaricInhPa \(850 and 500\)"):
        lay_out(dataset)
    layout = lay_out(dataset, DataOptions(select={"isobaricInhPa": 850}))
    assert layout.dataset.t_isobaricInhPa.dims == ("time", "y", "x")
    np.testing.assert_allclose(layout.dataset.t_isobaricInhPa[1, 0, 0], 271, atol=0.1)
    np.testing.assert_array_equal(layout.grid.latitude, LAT)
    assert not layout.channels[0].attrs.keys() & {"GRIB_paramId"}
    assert [path.name for path in tmp_path.iterdir()] == ["many.grib2"]


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize(
    ("keys", "longitudes"),
    [
        ((350, 0, 0), np.arange(-10.0, 1)),
        ((350, 2, 0), np.arange(-10.0, 3)),
        ((0, 359, 0), np.arange(360.0)),
        ((9, 0, 1), np.arange(10.0)),
        ((2, 355, 1), np.arange(-5.0, 3)),
    ],
    ids=["up to 0°E", "over 0°E", "round", "westwards", "westwards over 0°E"],
)
def test_columns_have_their_own_longitudes(tmp_path, keys, longitudes, edition):
    first, last, westwards = keys
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    grid = {
        "iScansNegatively": westwards,
        "Ni": longitudes.size,
        "Nj": 2,
        "latitudeOfFirstGridPointInDegrees": 50,
        "latitudeOfLastGridPointInDegrees": 49,
        "longitudeOfFirstGridPointInDegrees": first,
        "longitudeOfLastGridPointInDegrees": last,
        "iDirectionIncrementInDegrees": 1,
        "jDirectionIncrementInDegrees": 1,
    }
    for key, item in grid.items():
        eccodes.codes_set(handle, key, item)
    values = longitudes[::-1] if westwards else longitudes
    eccodes.codes_set_values(handle, np.tile(values, 2))
    with (tmp_path / "a.grib").open("wb") as file:
        eccodes.codes_write(handle, file)
    eccodes.codes_release(handle)
    opened = open_source([tmp_path / "a.grib"])
    (name,) = opened.data_vars
    np.testing.assert_allclose(opened.longitude.values % 360, longitudes % 360, atol=1e-6)
    assert (np.diff(opened.longitude.values) > 0).all()
    np.testing.assert_allclose(opened[name].values, np.tile(longitudes, (2, 1)), atol=0.01)


def test_fields_on_some_of_the_levels_only(tmp_path):
    """Forecasts have the wind on all levels, and vorticity or vertical speed on a few of them."""
    fields = [
        field(name, "isobaricInhPa", level, value + level, hour)
        for hour in range(3)
        for name, levels, value in (("u", (850, 500), 0), ("w", (700, 500), 1000))
        for level in levels
    ]
    dataset = open_source([messages(tmp_path / "levels.grib2", *fields)])
    layout = lay_out(dataset, DataOptions(select={"isobaricInhPa": 500}))
    np.testing.assert_allclose(layout.dataset.u[:, 0, 0], 500, atol=0.1)
    np.testing.assert_allclose(layout.dataset.w[:, 0, 0], 1500, atol=0.1)
    layout = lay_out(dataset, DataOptions(select={"isobaricInhPa": 850}, variables=["u"]))
    np.testing.assert_allclose(layout.dataset.u[:, 0, 0], 850, atol=0.1)
    with pytest.raises(DataError, match=r"850, 500 and 700"):
        lay_out(dataset)


def test_sums_since_forecasts_began_that_have_a_file_each(tmp_path):
    files = [
        messages(
            tmp_path / f"{start}.grib",
            *(
                field(
                    "tp", "surface", 0, start * step, start, stepType="accum", stepRange=f"0-{step}"
                )
                for step in range(1, 7)
            ),
        )
        for start in (6, 12)
    ]
    options = DataOptions.model_validate({"variables": {"tp": {"accumulated": "forecast"}}})
    for given, starts in ((files[:1], (6,)), (files, (6, 12)), (files[::-1], (6, 12))):
        record = build_record(open_source(given), options)
        values = record.layout.dataset.tp[:, 0, 0].values
        np.testing.assert_allclose(values, np.repeat(starts, 6), atol=0.1)


def test_when_each_of_several_forecasts_began_is_no_fact_of_the_record(tmp_path):
    files = [
        messages(
            tmp_path / f"{day}.grib2",
            *(
                field("2t", "heightAboveGround", 2, 280 + step, 24 * day, stepRange=str(step))
                for step in (6, 12, 18, 24)
            ),
        )
        for day in range(2)
    ]
    layout = lay_out(open_source(files))
    assert layout.dataset.sizes["time"] == 8
    assert list(layout.scalars) == ["heightAboveGround"]


def test_values_are_read_when_asked_for(many):
    dataset = open_source([many])
    assert all(array.chunks is not None for array in dataset.data_vars.values())


def test_accumulations_of_forecasts_lie_beside_analyses(tmp_path):
    rain = [
        field(
            "tp", "surface", 0, 100 * start + step, start, stepType="accum", stepRange=f"0-{step}"
        )
        for start in (6, 18)
        for step in range(1, 13)
    ]
    analyses = [field("2t", "heightAboveGround", 2, 280 + hour, hour) for hour in range(7, 31)]
    layout = lay_out(open_source([messages(tmp_path / "rain.grib", *rain, *analyses)]))
    assert layout.dataset.sizes["time"] == 24
    assert list(layout.dataset.data_vars) == ["t2m", "tp"]
    assert set(np.diff(layout.dataset.time.values)) == {np.timedelta64(1, "h")}
    expected = [100 * start + step for start in (6, 18) for step in range(1, 13)]
    np.testing.assert_allclose(layout.dataset.tp[:, 0, 0], expected, atol=0.5)
    np.testing.assert_allclose(layout.dataset.t2m[:, 0, 0], 280 + np.arange(7, 31), atol=0.1)


def test_one_step_of_forecasts_is_stamped_by_its_valid_time(tmp_path):
    fields = [field("2t", "heightAboveGround", 2, 280, hour, stepRange="6") for hour in (0, 6, 12)]
    layout = lay_out(open_source([messages(tmp_path / "f.grib", *fields)]))
    np.testing.assert_array_equal(
        layout.dataset.time.values,
        np.array(["2020-01-01T06", "2020-01-01T12", "2020-01-01T18"], "M8[us]"),
    )


def test_files_of_one_time_each(tmp_path):
    files = [
        messages(
            tmp_path / f"{hour}.grib",
            field("2t", "heightAboveGround", 2, 280 + hour, hour),
            field("10u", "heightAboveGround", 10, hour, hour),
        )
        for hour in (2, 0, 1)
    ]
    layout = lay_out(open_source(files))
    np.testing.assert_allclose(layout.dataset.t2m[:, 0, 0], [280, 281, 282], atol=0.1)
    np.testing.assert_allclose(layout.dataset.u10[:, 0, 0], [0, 1, 2], atol=0.1)


def test_members_need_a_choice(tmp_path):
    fields = [
        field("2t", "heightAboveGround", 2, 280 + member, hour, **ensemble(member))
        for hour in range(2)
        for member in range(3)
    ]
    dataset = open_source([messages(tmp_path / "e.grib", *fields)])
    with pytest.raises(DataError, match=r"3 values of number.*\{number: 0\}"):
        lay_out(dataset)
    layout = lay_out(dataset, DataOptions(select={"number": 2}))
    np.testing.assert_allclose(layout.dataset.t2m[:, 0, 0], 282, atol=0.1)
    sequences = lay_out(dataset, DataOptions(sequence="number"))
    assert sequences.dataset.t2m.dims == ("sequence", "time", "y", "x")


def ensemble(member: int) -> dict:
    return {
        "productDefinitionTemplateNumber": 1,
        "numberOfForecastsInEnsemble": 3,
        "perturbationNumber": member,
    }


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("cut", [1, 50, 150])
def test_truncated_at_any_place(tmp_path, edition, cut):
    fields = [
        {"shortName": "2t", "dataDate": 20200101, "dataTime": 100 * hour, "value": 280}
        for hour in range(3)
    ]
    path = messages(tmp_path / "t.grib", *fields, edition=edition)
    assert open_source([path]).sizes["time"] == 3
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="is truncated: its message at byte"):
        open_source([path])


def test_bytes_between_messages_do_no_harm(tmp_path):
    path = tmp_path / "p.grib"
    parts = []
    for hour in range(2):
        one = messages(tmp_path / "one", field("2t", "heightAboveGround", 2, 280, hour))
        parts.append(one.read_bytes())
    path.write_bytes(b"\x01HEADER LINE\r\n" + (bytes(70_000)).join(parts) + bytes(5))
    assert open_source([path]).sizes["time"] == 2


def test_without_cfgrib(many, monkeypatch):
    monkeypatch.setitem(sys.modules, "cfgrib", None)
    with pytest.raises(DataError, match=r"pip install 'stforecast\[grib\]'"):
        open_source([many])


def test_another_projection():
    dataset = open_source(["package:iris_sample_data/sample_data/polar_stereo.grib2"])
    field = dataset.t.expand_dims(time=[dataset.time.values]) if "time" in dataset else dataset.t
    layout = lay_out(xr.Dataset({"t": field.drop_vars("valid_time", errors="ignore")}))
    assert layout.grid.kind == "curvilinear"
    assert layout.grid.shape == (200, 247)
