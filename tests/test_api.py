"""The Python interface: what goes in as a dataset is what the record was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr

import stforecast as sf
from stforecast.api.data import to_store
from stforecast.errors import ConfigError, DataError, RunError, StForecastWarning
from stforecast.options import SplitOptions
from stforecast.store import TensorStore, write_store
from tests.forecast.runs import make_run
from tests.helpers import make_store
from tests.ingest import zoo
from tests.videos import make_digits, write_idx


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def record(n: int = 80, **settings: object) -> xr.Dataset:
    """A record as its source had it, with nothing of the project in it."""
    shown = make_store(n, **settings).variables()  # type: ignore[arg-type]
    return shown.copy(deep=True)


@pytest.fixture
def run(tmp_path: Path) -> sf.Run:
    return sf.load(make_run(tmp_path / "study" / "model", make_store(80)))


# --- what is loaded when -------------------------------------------------------------------------


def test_importing_it_loads_next_to_nothing() -> None:
    heavy = "{'torch', 'pytorch_lightning', 'xarray', 'numpy', 'matplotlib', 'cartopy', 'dask'}"
    code = f"import sys, stforecast; print(stforecast.__version__, {heavy} & set(sys.modules))"
    assert python(code) == f"{sf.__version__} set()"


def test_data_scores_and_maps_need_no_torch(tmp_path: Path) -> None:
    record().to_netcdf(tmp_path / "obs.nc")
    code = f"""
import sys, stforecast as sf
obs = sf.open_data({str(tmp_path / "obs.nc")!r})
sf.ingest({str(tmp_path / "obs.nc")!r}, {str(tmp_path / "store.zarr")!r})
sf.open_store({str(tmp_path / "store.zarr")!r})
sf.verify, sf.references, sf.plot, sf.open_forecast
from stforecast.maps import plot
print({{"torch", "pytorch_lightning"}} & set(sys.modules))
"""
    assert python(code) == "set()"


@pytest.mark.parametrize(
    "imports",
    ["import stforecast, xarray as xr", "import xarray as xr, stforecast"],
)
def test_datasets_have_maps_in_either_order_of_imports(imports: str) -> None:
    code = f"{imports}; import sys; print(xr.Dataset().stforecast.map, 'cartopy' in sys.modules)"
    assert python(code).endswith("False")


def test_a_package_of_the_same_name_does_not_hide_the_function(tmp_path: Path) -> None:
    record().to_netcdf(tmp_path / "obs.nc")
    code = f"""
import stforecast as sf
before = sf.ingest
import stforecast.ingest.findings
for number, ingest in enumerate([before, sf.ingest]):
    ingest({str(tmp_path / "obs.nc")!r}, {str(tmp_path)!r} + f"/{{number}}.zarr")
"""
    python(code)
    assert {path.name for path in tmp_path.iterdir()} == {"obs.nc", "0.zarr", "1.zarr"}


def test_names_that_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        sf.forcast  # noqa: B018
    assert set(sf.__all__) <= set(dir(sf))
    assert all(getattr(sf, name) is not None for name in sf.__all__)


# --- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        zoo.ascending,
        zoo.descending,
        zoo.bounds_and_mapping,
        zoo.rotated,
        zoo.projected,
        zoo.curvilinear,
        zoo.bare,
        zoo.noleap,
    ],
)
def test_a_dataset_becomes_the_store_it_was(make: Callable[[], xr.Dataset]) -> None:
    first = to_store(make())
    again = to_store(first.variables())
    assert again.grid.fingerprint() == first.grid.fingerprint()
    assert again.channels == first.channels
    assert again.axis == first.axis
    np.testing.assert_array_equal(again.read(0, 5), first.read(0, 5))
    xr.testing.assert_identical(again.variables().load(), first.variables().load())


def test_what_was_mended_is_told(tmp_path: Path) -> None:
    source = record()
    untidy = source.isel(time=[0, 1, 2, 2, 5, 4, *range(8, 80)])
    untidy.to_netcdf(tmp_path / "untidy.nc")
    with pytest.warns(StForecastWarning, match=r"go back in time once.*occurs? more than once"):
        obs = sf.open_data(tmp_path / "untidy.nc")
    assert obs.sizes["time"] == 80
    assert obs["v0"].isel(time=3).isnull().all()
    xr.testing.assert_equal(obs.isel(time=slice(8, None)).load(), source.isel(time=slice(8, None)))


def test_what_a_dataset_cannot_show_comes_through(tmp_path: Path) -> None:
    """Absent times, bounds, clock and files reach the store that training sees."""
    record().isel(time=[*range(20), *range(30, 50), *range(51, 80)]).to_netcdf(tmp_path / "o.nc")
    with pytest.warns(StForecastWarning, match="11 "):
        obs = sf.open_data(
            str(tmp_path / "o.nc"), variables={"v0": {"minimum": 0}}, timezone="Europe/Berlin"
        )
    store = to_store(obs.sel(time=slice("2000-01-01T05", None)))
    absent = np.flatnonzero(~store.present) + 5
    assert absent.tolist() == [*range(20, 30), 50]
    assert store.meta.channels[0].minimum == 0
    assert store.meta.timezone == "Europe/Berlin"
    assert store.meta.sources == [{"path": str(tmp_path / "o.nc")}]
    assert "stforecast_data" not in store.meta.attrs


def test_a_store_opens_like_files(tmp_path: Path) -> None:
    record(channels=["a", "b"]).to_netcdf(tmp_path / "obs.nc")
    findings = sf.ingest(str(tmp_path / "obs.nc"), tmp_path / "store.zarr", variables=["b"])
    assert findings.cells
    obs = sf.open_store(tmp_path / "store.zarr")
    assert list(obs.data_vars) == ["b"]
    again = to_store(obs)
    np.testing.assert_array_equal(
        again.read(0, 80), TensorStore.open(tmp_path / "store.zarr").read(0, 80)
    )


def test_options_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"variabels is not an option; did you mean .*variables"):
        sf.open_data("x.nc", variabels=["a"])
    with pytest.raises(DataError, match="nowhere"):
        sf.open_data(str(tmp_path / "nowhere.nc"))
    with pytest.raises(ConfigError, match="there is no max_epoch; did you mean max_epochs"):
        sf.train(record(), max_epoch=3)
    with pytest.raises(ConfigError, match="model simvp has no setting colour"):
        sf.train(record(), colour="red")
    with pytest.raises(ConfigError, match="there is no model simpv; did you mean simvp"):
        sf.train(record(), model="simpv")


# --- forecasts -----------------------------------------------------------------------------------


def test_any_record_gives_the_same_forecast(run: sf.Run, tmp_path: Path) -> None:
    store = make_store(80)
    write_store(store.dataset, tmp_path / "store.zarr")
    first = run.predict(store, init_time="2000-01-02T10", horizon=5)
    for same in (
        record(),
        record().chunk(time=7),
        record().transpose("lon", "time", "lat"),
        record().assign(other=record()["v0"] * 2),
        sf.open_store(tmp_path / "store.zarr"),
        tmp_path / "store.zarr",
        str(tmp_path / "store.zarr"),
    ):
        found = run.predict(same, init_time="2000-01-02T10", horizon=5)
        xr.testing.assert_equal(found, first)


def test_just_enough_history(run: sf.Run) -> None:
    whole = run.predict(record(), init_time="2000-01-02T10")
    cut = record().isel(time=slice(31, 35))
    xr.testing.assert_equal(run.predict(cut), whole)
    with pytest.raises(DataError, match=r"history of 4 time steps of one hour .* there are 3"):
        run.predict(cut.isel(time=slice(1, None)))


def test_only_the_history_is_read(run: sf.Run) -> None:
    """Everything else of the record may be out of reach."""
    store = make_store(80)

    def block(block_info: dict | None = None) -> np.ndarray:
        start, stop = block_info[None]["array-location"][0]
        assert 31 <= start < stop <= 35, f"frames {start} to {stop} were read"
        return store.read(start, stop)[:, 0]

    lazy = dask.array.map_blocks(
        block, chunks=((1,) * 80, (6,), (8,)), dtype=np.float32, meta=np.zeros((0, 0, 0), "f4")
    )
    obs = record().assign(v0=(("time", "lat", "lon"), lazy, {"units": "K", "long_name": "test v0"}))
    # ingest may look at a few frames to tell the precision of the source's numbers
    found = run.predict(obs, init_time="2000-01-02T10")
    xr.testing.assert_equal(found, run.predict(store, init_time="2000-01-02T10"))


def test_the_last_whole_time_is_the_default(run: sf.Run) -> None:
    obs = record()
    obs["v0"][78:] = np.nan
    with pytest.warns(StForecastWarning, match=r"last 2 time steps .* the forecast starts from"):
        product = run.predict(obs)
    assert product["init_time"].values[0] == np.datetime64("2000-01-04T05")
    obs["v0"][8:] = np.nan  # further back than the end that is looked at first
    with pytest.warns(StForecastWarning, match="the forecast starts from 2000-01-01 07:00"):
        run.predict(obs)


def test_initial_times_that_cannot_be(run: sf.Run) -> None:
    with pytest.raises(DataError, match=r"the data runs from .* nearest initial time"):
        run.predict(record(), init_time="2001")
    with pytest.raises(DataError, match="not on the time axis"):
        run.predict(record(), init_time="2000-01-02T10:30")
    with pytest.raises(ConfigError, match="horizon must be at least 1 step"):
        run.predict(record(), horizon=0)


def test_a_run_for_other_data_is_refused(run: sf.Run) -> None:
    with pytest.raises(RunError, match="does not fit this data"):
        run.predict(record(height=7))
    with pytest.raises(DataError, match="v0"):
        run.predict(record(channels=["other"]))


def test_hindcasts_are_the_forecasts_of_a_period(run: sf.Run, tmp_path: Path) -> None:
    store = make_store(80)
    write_store(store.dataset, tmp_path / "store.zarr")
    hind = run.hindcast(record(), period="test", every="2h", horizon=4)
    first, last = run.card.splits["test"]
    begin, end = store.axis.slice_of(first, last)
    assert store.axis.positions(hind["init_time"].values).tolist() == list(
        range(begin + 3, end - 4, 2)
    )
    xr.testing.assert_equal(run.hindcast(tmp_path / "store.zarr", every=2, horizon=4), hind)
    alone = run.predict(store, init_time=hind["init_time"].values[1], horizon=4)
    np.testing.assert_allclose(alone["v0"][0], hind["v0"][1], rtol=1e-5)
    dates = run.hindcast(record(), period=("2000-01-02", "2000-01-02"), every="6h")
    assert dates["init_time"].dt.hour.values.tolist() == [3, 9, 15]


def test_sequences(tmp_path: Path) -> None:
    store = make_store(20, sequences=12)
    run = sf.load(make_run(tmp_path, store))
    hind = run.hindcast(store)
    assert hind.sizes["video"] == len(range(*run.card.sequences["test"]))
    assert run.predict(store).sizes["video"] == 12


# --- scores --------------------------------------------------------------------------------------


def test_sequences_that_are_drawn_are_learned_from_a_store(tmp_path: Path) -> None:
    digits = write_idx(tmp_path / "digits.idx", make_digits(40))
    options = {
        "reader": "moving-mnist",
        "moving_mnist": {"train": 8, "validation": 2, "test": 3, "frames": 4, "size": 16},
    }
    obs = sf.open_data(digits, **options)
    assert dict(obs.intensity.sizes) == {"sequence": 5, "time": 4, "y": 16, "x": 16}
    store = tmp_path / "s.zarr"
    sf.ingest(digits, store, **options)
    for shown in (obs, sf.open_store(store)):
        with pytest.raises(ConfigError, match="give the path of the store"):
            sf.train(shown, history=2, horizon=2, max_steps=2)
    small = {"hid_S": 4, "hid_T": 8, "N_T": 2, "max_steps": 2, "folder": tmp_path / "run"}
    run = sf.train(store, history=2, horizon=2, progress=False, **small)
    assert run.hindcast(obs, period="test").sequence.values.tolist() == [2, 3, 4]


def test_scores_know_the_training_period_of_the_run(run: sf.Run) -> None:
    obs = record()
    hind = run.hindcast(obs)
    with pytest.warns(StForecastWarning, match="shorter than 2 years"):
        scores = sf.verify(
            hind, obs, references=["persistence", "history_mean", "climatology"], by=["lead_time"]
        )
    assert scores["forecast"].values.tolist() == [
        "small",
        "persistence",
        "history_mean",
        "climatology",
    ]
    by_hand = np.sqrt(((hind["v0"] - obs["v0"].sel(time=hind["valid_time"])) ** 2).mean())
    whole = sf.verify(hind, obs, references=[], by=[])
    assert "skill" not in whole
    assert float(whole["rmse"].squeeze()) == pytest.approx(float(by_hand), rel=0.05)  # no weights


def test_the_sequences_of_a_hindcast_are_found_in_the_record(tmp_path: Path) -> None:
    store = make_store(20, sequences=12)
    run = sf.load(make_run(tmp_path / "run", store))
    hind = run.hindcast(store)
    begin, end = run.card.sequences["test"]
    write_store(store.dataset, tmp_path / "store.zarr")
    chosen = store.observations().isel(video=slice(begin, end))
    truth = chosen["v0"].sel(time=hind["valid_time"])
    error = (hind["v0"] - truth.transpose(*hind["v0"].dims)).values
    for obs in (store, tmp_path / "store.zarr", sf.open_store(tmp_path / "store.zarr")):
        with pytest.warns(StForecastWarning, match="shorter than 2 years"):
            scores = sf.verify(hind, obs, references=["persistence", "climatology"], by=[])
        with pytest.warns(StForecastWarning, match="shorter than 2 years"):
            found = sf.references(obs, hind, ["climatology"])["climatology"]
        assert float(scores["rmse"][0].squeeze()) == pytest.approx(
            np.sqrt((error**2).mean()), rel=0.05
        )  # no weights
        # what is usual is that of the sequences trained on, the same for all
        trained = store.variables()["v0"].isel(video=slice(*run.card.sequences["train"]))
        hour = found["valid_time"].values[0, 0]
        expected = trained.sel(time=trained["time"].dt.hour == hour.astype("M8[h]").item().hour)
        np.testing.assert_allclose(
            found["v0"].isel(init_time=0, lead_time=0, video=-1),
            expected.mean(["video", "time"]),
            rtol=1e-5,
        )


def test_references_are_forecasts(run: sf.Run) -> None:
    obs = record()
    hind = run.hindcast(obs, horizon=2)
    found = sf.references(obs, like=hind, names=["persistence"])
    product = found["persistence"]
    xr.testing.assert_equal(product["valid_time"], hind["valid_time"])
    np.testing.assert_array_equal(
        product["v0"].isel(lead_time=1), obs["v0"].sel(time=hind["init_time"])
    )
    scores = sf.verify({"a": hind, "b": hind}, obs, references=found)
    assert scores["forecast"].values.tolist() == ["a", "b", "persistence"]


def test_forecasts_of_others_must_be_told_the_training_period(run: sf.Run, tmp_path: Path) -> None:
    obs = record()
    hind = run.hindcast(obs)
    path = sf.write_forecast(hind.drop_attrs(deep=False), tmp_path / "other.nc")
    assert sf.verify(path, obs)["forecast"].values.tolist() == ["forecast", "persistence"]
    with pytest.raises(ConfigError, match=r"climatology needs a training period.*train=\("):
        sf.verify(path, obs, references=["climatology"])
    with pytest.raises(ConfigError, match=r"history_mean needs the length of a history.*history="):
        sf.verify(path, obs, references=["history_mean"])
    sf.verify(path, obs, references=["history_mean"], history="4h")
    with pytest.warns(StForecastWarning, match="shorter than 2 years"):
        sf.verify(path, obs, references=["climatology"], train=("2000-01-01", "2000-01-02"))
    with pytest.raises(
        DataError, match=r"climatology needs its training period: the training period .1990"
    ):
        sf.verify(path, obs, references=["climatology"], train=("1990", "1991"))
    with pytest.raises(ConfigError, match="there is no reference 'persistance'"):
        sf.verify(path, obs, references=["persistance"])


def test_maps_go_to_a_folder(run: sf.Run, tmp_path: Path) -> None:
    obs = record()
    pictures = sf.plot(
        run.predict(obs, init_time="2000-01-03"),
        observed=obs,
        folder=tmp_path / "maps",
        lead_time=["1h"],
    )
    assert [picture.suffix for picture in pictures] == [".png"]
    assert all(picture.stat().st_size > 1000 for picture in pictures)


def test_runs_are_found_by_their_study(run: sf.Run, tmp_path: Path) -> None:
    assert sf.load(tmp_path / "study").name == run.name == "small"
    assert "small" in repr(run)
    with pytest.raises(RunError, match="is not a trained run"):
        sf.load(tmp_path)


def test_several_runs_forecast_together(tmp_path: Path) -> None:
    """Members, intervals and spreads; the past errors of a single run and of several."""
    store = make_store(300)
    split = SplitOptions(train=0.4, validation=0.3, test=0.3)
    folders = [
        make_run(tmp_path / name / "model", store, name=name, seed=seed, split=split)
        for seed, name in enumerate("ab")
    ]
    obs = store.variables()
    both = sf.load([tmp_path / "a", tmp_path / "b"])
    assert both.name == "a+b"
    assert "a+b" in repr(both)
    forecast = both.predict(obs)
    assert forecast.sizes["member"] == 2
    with pytest.raises(RunError, match=r"not known, and so no interval; make them with"):
        both.predict(obs, interval=0.9)
    both.calibrate(obs)
    hindcast = both.hindcast(obs, interval=0.8, every=6)
    assert hindcast["v0_lower"].attrs["stforecast_coverage"] == 0.8
    assert hindcast.attrs["stforecast_spread"] == "calibrated"
    scores = sf.verify(hindcast, obs, metrics=["crps", "coverage", "spread_error"])
    assert 0.6 < float(scores["coverage"].sel(forecast="a+b").mean()) < 1
    one = sf.load(folders[0])
    one.calibrate(obs)
    assert {"v0_lower", "v0_upper"} < set(one.predict(obs, interval=0.5).data_vars)
    with pytest.raises(ConfigError, match="'a' gives one forecast, not 4 members"):
        one.predict(obs, members=4)
