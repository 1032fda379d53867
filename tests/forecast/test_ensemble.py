"""Forecasts of several runs, and of one that is told noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from stforecast.card import NoiseCard, RunCard
from stforecast.errors import ConfigError, RunError
from stforecast.forecast import Ensemble, ForecastOptions, load_ensemble, load_trained, predict
from stforecast.store import TensorStore
from tests.forecast.runs import make_run
from tests.helpers import make_store


@pytest.fixture
def store() -> TensorStore:
    return make_store(60, ["v0", "v1"])


def runs(folder: Path, store: TensorStore, *seeds: int, **settings: Any) -> list[Path]:
    return [
        make_run(folder / f"run{seed}", store, name=f"run{seed}", seed=seed, **settings)
        for seed in seeds
    ]


def noisy(folder: Path, store: TensorStore, **settings: Any) -> Path:
    return make_run(folder, store, noise=NoiseCard(uniform=1, local=2), **settings)


def test_the_members_of_runs_are_their_forecasts(tmp_path: Path, store: TensorStore) -> None:
    folders = runs(tmp_path, store, 0, 1, 2)
    ensemble = load_ensemble(folders, "cpu")
    product = predict(ensemble, store, [20, 30], 5)
    assert dict(product.sizes) | {"member": 3, "lead_time": 5} == dict(product.sizes)
    for number, folder in enumerate(folders):
        alone = predict(load_trained(folder, "cpu"), store, [20, 30], 5)
        xr.testing.assert_allclose(
            product["v1"].isel(member=number, drop=True), alone["v1"], rtol=1e-5
        )
    assert product.attrs["stforecast_run"] == "run0+run1+run2"
    assert product.attrs["stforecast_seed"] == "[0, 1, 2]"
    assert product.attrs["stforecast_members"] == 3
    assert "runs run0, run1, run2" in product.attrs["source"]
    lazy = predict(ensemble, store, [20, 30], 5, lazy_above=0)
    assert lazy["v0"].chunks is not None
    np.testing.assert_allclose(lazy["v0"].values, product["v0"].values, rtol=1e-5)


def test_noise_makes_members_that_hang_on_the_seed_alone(
    tmp_path: Path, store: TensorStore
) -> None:
    model = load_trained(noisy(tmp_path, store), "cpu")
    product = predict(model, store, [20, 30], 5, options=ForecastOptions(members=4, seed=1))
    values = product["v0"].values
    assert values.shape[:3] == (2, 5, 4)
    assert np.ptp(values, axis=2).min() > 0
    for again in (
        predict(model, store, [30], 5, options=ForecastOptions(members=4, seed=1)),
        predict(
            model, store, [10, 30], 5, options=ForecastOptions(members=4, seed=1, batch_size=3)
        ),
        predict(
            model, store, [30, 40], 5, lazy_above=0, options=ForecastOptions(members=6, seed=1)
        ),
    ):
        at = list(again["init_time"].values).index(product["init_time"].values[1])
        np.testing.assert_allclose(again["v0"].values[at, :, :4], values[1], rtol=1e-4, atol=1e-4)
    other = predict(model, store, [20, 30], 5, options=ForecastOptions(members=4, seed=2))
    assert abs(other["v0"].values - values).min() > 0
    assert predict(model, store, [20]).sizes["member"] == 10


def test_noise_and_sequences(tmp_path: Path) -> None:
    store = make_store(60, sequences=2)
    model = load_trained(noisy(tmp_path, store), "cpu")
    product = predict(model, store, [20, 30], options=ForecastOptions(members=3))
    assert product["v0"].dims[2:4] == ("member", "video")
    second = predict(model, store, [30], sequences=[1], options=ForecastOptions(members=3))
    np.testing.assert_allclose(
        second["v0"].values[0, :, :, 0], product["v0"].values[1, :, :, 1], rtol=1e-4, atol=1e-4
    )


def test_members_are_shared_out(tmp_path: Path, store: TensorStore) -> None:
    models = [
        load_trained(folder, "cpu")
        for folder in (*runs(tmp_path, store, 0), noisy(tmp_path / "a", store))
    ]
    ensemble = Ensemble([*models, models[1]])
    assert ensemble.share(None) == [None, 10, 10]
    assert ensemble.share(6) == [None, 3, 2]
    assert ensemble.total(6) == 6
    assert Ensemble.of(models[0]).total(None) is None
    assert Ensemble.of(models[0]).total(1) is None
    with pytest.raises(ConfigError, match="3 runs give at least as many members, not 2"):
        ensemble.share(2)
    with pytest.raises(ConfigError, match="'run0' gives one forecast, not 5 members; train with"):
        predict(models[0], store, [20], options=ForecastOptions(members=5))


def test_what_makes_no_ensemble(tmp_path: Path, store: TensorStore) -> None:
    (folder,) = runs(tmp_path, store, 0)
    longer = make_run(tmp_path / "longer", store, horizon=6, name="longer")
    with pytest.raises(RunError, match=r"'run0' and 'longer' make no ensemble: .* 3 and 6 steps"):
        load_ensemble([folder, longer])
    other = make_run(tmp_path / "other", make_store(60, ["v0"]), name="other")
    with pytest.raises(RunError, match=r"one forecasts v0 .*, v1 .*, the other v0"):
        load_ensemble([folder, other])
    with pytest.raises(ConfigError, match="named twice"):
        load_ensemble([folder, folder / "../run0"])


def test_parts_of_splits_must_agree(tmp_path: Path, store: TensorStore) -> None:
    folders = runs(tmp_path, store, 0, 1)
    card = RunCard.read(folders[1])
    card.splits["test"] = ("2000-01-01T00", "2000-01-02T00")
    card.write(folders[1])
    ensemble = load_ensemble(folders, "cpu")
    ensemble.check_part("validation")
    with pytest.raises(ConfigError, match="the test periods of the runs 'run0' and 'run1' differ"):
        ensemble.check_part("test")
