"""Past errors are taken from the validation period, kept beside the run, and used."""

from pathlib import Path

import numpy as np
import pytest

from stforecast.card import INTERVALS, NoiseCard, RunCard
from stforecast.errors import ConfigError, DataError, RunError, StForecastWarning
from stforecast.forecast import (
    ForecastOptions,
    calibrate,
    load_ensemble,
    predict,
    read_calibration,
    write_calibration,
)
from stforecast.options import SplitOptions
from stforecast.product.uncertainty import interval_of
from stforecast.store import TensorStore
from tests.forecast.runs import make_run
from tests.helpers import make_store

SPLIT = SplitOptions(train=0.4, validation=0.3, test=0.3)


@pytest.fixture(scope="module")
def store() -> TensorStore:
    return make_store(300, ["v0", "v1"])


def test_one_run(tmp_path: Path, store: TensorStore) -> None:
    folder = make_run(tmp_path / "run", store, split=SPLIT)
    runs = load_ensemble([folder], "cpu")
    with pytest.raises(RunError, match="not known, and so no interval; make them with `stforecast"):
        predict(runs, store, [250], options=ForecastOptions(interval=0.9))
    calibration = calibrate(runs, store)
    path = write_calibration(calibration, runs)
    assert path == folder / INTERVALS
    card = RunCard.read(folder)
    assert card.intervals is not None
    assert card.intervals.lead_times == 3
    begin, end = card.splits["validation"]
    assert begin <= calibration.period[0] < calibration.period[1] <= end

    runs = load_ensemble([folder], "cpu")
    inits = np.arange(230, 290)
    plain = predict(runs, store, inits)
    product = predict(runs, store, inits, options=ForecastOptions(interval=0.9))
    np.testing.assert_array_equal(product["v0"].values, plain["v0"].values)
    bounds = interval_of(product, "v0")
    assert bounds is not None
    observed = store.observations()["v0"].sel(time=product["valid_time"])
    inside = (observed >= bounds[0]) & (observed <= bounds[1])
    assert 0.8 < float(inside.mean()) <= 1
    assert "split conformal" in bounds[0].attrs["comment"]
    lazy = predict(runs, store, inits, lazy_above=0, options=ForecastOptions(interval=0.9))
    np.testing.assert_allclose(lazy["v1_upper"].values, product["v1_upper"].values, rtol=1e-4)
    assert (
        predict(runs, store, [250], 2, options=ForecastOptions(interval=0.5)).sizes["lead_time"]
        == 2
    )
    with pytest.raises(ConfigError, match="3 lead times are known, and the forecast has 6; make"):
        predict(runs, store, [250], 6, options=ForecastOptions(interval=0.9))
    with pytest.raises(ConfigError, match="an interval of coverage 90 cannot be given"):
        predict(runs, store, [250], options=ForecastOptions(interval=90))
    with pytest.raises(ConfigError, match="one forecast has no spread to calibrate"):
        predict(runs, store, [250], options=ForecastOptions(spread="calibrated"))


def test_tables_that_are_damaged_or_of_other_weights(tmp_path: Path, store: TensorStore) -> None:
    folder = make_run(tmp_path / "run", store, split=SPLIT)
    runs = load_ensemble([folder], "cpu")
    path = write_calibration(calibrate(runs, store), runs)
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(RunError, match="cannot be read"):
        read_calibration(runs)
    path.write_bytes(content[:-8] + bytes(8))
    with pytest.raises(RunError, match="not those that the card tells of"):
        read_calibration(runs)
    path.write_bytes(content)
    card = RunCard.read(folder)
    card.training.best_step = 7
    card.write(folder)
    from stforecast.forecast.ensemble import Ensemble
    from stforecast.forecast.trained import TrainedModel

    model = runs.models[0]
    other = TrainedModel(card, model.module, model.transform, model.spec, model.device)
    with pytest.raises(RunError, match="of other weights than the run's; make them with"):
        read_calibration(Ensemble([other], [folder]))


def test_several_runs_in_any_order(tmp_path: Path, store: TensorStore) -> None:
    folders = [
        make_run(tmp_path / f"run{seed}", store, name=f"run{seed}", seed=seed, split=SPLIT)
        for seed in (0, 1, 2)
    ]
    runs = load_ensemble(folders, "cpu")
    path = write_calibration(calibrate(runs, store), runs)
    assert path.parent == folders[0]
    other_way = load_ensemble(folders[::-1], "cpu")
    product = predict(
        other_way, store, [240, 250], options=ForecastOptions(interval=0.8, spread="calibrated")
    )
    assert product.attrs["stforecast_spread"] == "calibrated"
    raw = predict(other_way, store, [240, 250], options=ForecastOptions(spread="raw"))
    assert raw.attrs["stforecast_spread"] == "raw"
    assert predict(other_way, store, [240]).attrs["stforecast_spread"] == "calibrated"
    longer = predict(other_way, store, [240], 6)
    assert longer.attrs["stforecast_spread"] == "raw"  # past errors of so long ones are not known
    np.testing.assert_allclose(
        product["v0"].mean("member").values, raw["v0"].mean("member").values, rtol=1e-3, atol=1e-3
    )
    with pytest.raises(RunError, match="past errors of the run 'run0' are not known"):
        read_calibration(load_ensemble(folders[:1], "cpu"))


def test_members_of_noise_and_sequences(tmp_path: Path) -> None:
    store = make_store(120, sequences=3)
    split = SplitOptions(train=1 / 3, validation=1 / 3, test=1 / 3)
    noise = NoiseCard(uniform=1, local=1)
    folder = make_run(tmp_path / "run", store, split=split, noise=noise)
    runs = load_ensemble([folder], "cpu")
    write_calibration(calibrate(runs, store, members=3), runs)
    product = predict(
        runs,
        store,
        [50, 60],
        sequences=[0, 2],
        options=ForecastOptions(members=3, interval=0.9, spread="calibrated"),
    )
    assert product["v0"].dims[2:4] == ("member", "video")
    assert product["v0_lower"].dims[2] == "video"
    with pytest.warns(StForecastWarning, match="of 3 members and are used for 4 members"):
        predict(runs, store, [50], options=ForecastOptions(members=4, interval=0.9))
    raw = predict(runs, store, [50], options=ForecastOptions(members=4, spread="raw"))
    assert "stforecast_calibration" not in raw.attrs  # which takes no past errors, of however many
    one = predict(
        runs, store, [60], sequences=[2], options=ForecastOptions(members=3, interval=0.9)
    )
    np.testing.assert_allclose(
        one["v0_upper"].values[0, :, 0], product["v0_upper"].values[1, :, 1], rtol=1e-3, atol=1e-3
    )


def test_too_few_forecasts(tmp_path: Path, store: TensorStore) -> None:
    runs = load_ensemble([make_run(tmp_path / "run", store, split=SPLIT)], "cpu")
    with pytest.raises(DataError, match="has 10 forecasts of 3 steps; intervals need 20 or more"):
        calibrate(runs, store, period=("2000-01-05T00", "2000-01-05T15"))
