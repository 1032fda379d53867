"""Variables that are zero at night."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.forecast import Ensemble, ForecastOptions, calibrate, predict
from stforecast.options import SplitOptions
from stforecast.store import ChannelMeta, TensorStore
from stforecast.sun import days_since_2000, is_night, upwards
from stforecast.windows import Frames, WindowDataset, WindowSpec, compute_statistics
from stforecast.windows.splits import resolve_splits
from stforecast.windows.transform import Transform
from tests.forecast.runs import make_trained
from tests.helpers import make_store

SPEC = WindowSpec(4, 3)


def radiation(store: TensorStore) -> TensorStore:
    """The same with a first variable that is zero at night."""
    meta = store.meta
    first = meta.channels[0].model_copy(update={"daylight": True})
    changed = meta.model_copy(update={"channels": [first, *meta.channels[1:]]})
    return TensorStore(store.dataset.assign_attrs(stforecast=changed.to_json()))


def night(store: TensorStore, positions: np.ndarray) -> np.ndarray:
    lat, lon = np.meshgrid(store.dataset["lat"], store.dataset["lon"], indexing="ij")
    days = days_since_2000(store.axis.times_at(positions))
    return is_night(days, 1 / 24, upwards(lat, lon), 12)


def test_a_batch_knows_the_night_of_its_valid_times() -> None:
    store = radiation(make_store(48, channels=2))
    dataset = WindowDataset(store, SPEC, [10, 20], Frames(store))
    batch = dataset[[0, 1]]
    assert batch.night is not None
    assert batch.night.shape == (2, 3, 1, 6, 8)
    expected = night(store, np.array([11, 12, 13, 21, 22, 23])).reshape(2, 3, 1, 6, 8)
    np.testing.assert_array_equal(batch.night.numpy(), expected)
    assert WindowDataset(make_store(48), SPEC, [10])[[0]].night is None


def test_decoding_leaves_the_night_alone_dark() -> None:
    store = radiation(make_store(48, channels=2))
    splits = resolve_splits(store.axis, SplitOptions(), SPEC)
    transform = Transform.create(compute_statistics(store, SPEC, splits), SPEC, store.meta.channels)
    batch = WindowDataset(store, SPEC, [5, 20])[[0, 1]]
    assert batch.night is not None
    _, _, state = transform.inputs(batch)
    for members in ((), (5,)):
        prediction = torch.ones(2, *members, 3, 2, 6, 8)
        found = transform.decode(prediction, state)
        dark = batch.night.view(2, *[1 for _ in members], 3, 1, 6, 8).expand_as(
            found[..., :1, :, :]
        )
        assert (found[..., :1, :, :][dark] == 0).all()
        assert (found[..., :1, :, :][~dark] != 0).all()
        assert (found[..., 1:, :, :] != 0).all()
    assert dark.any()
    assert not dark.all()


def test_forecasts_are_zero_at_night_however_far_they_go(tmp_path: Path) -> None:
    store = radiation(make_store(96, channels=2))
    model = make_trained(tmp_path, store)
    # the record that is forecast from need not say so: the run's card does
    plain = make_store(96, channels=2)
    product = predict(model, plain, [50], 20)
    dark = night(store, np.arange(51, 71))
    assert (product["v0"].values[0][dark] == 0).all()
    assert (product["v0"].values[0][~dark] != 0).all()
    assert (product["v1"].values != 0).all()


def test_bounds_and_spread_members_are_dark_too(tmp_path: Path) -> None:
    store = radiation(make_store(400, channels=2))
    runs = Ensemble([make_trained(tmp_path / str(seed), store, seed=seed) for seed in (0, 1)])
    product = predict(
        runs,
        store,
        [330],
        calibration=calibrate(runs, store),
        options=ForecastOptions(interval=0.9, spread="calibrated"),
    )
    dark = night(store, np.arange(331, 334))
    assert dark.any()
    for name in ("v0_lower", "v0_upper"):
        assert (product[name].values[0][dark] == 0).all()
    assert (product["v0"].isel(init_time=0).transpose("member", ...).values[:, dark] == 0).all()
    assert (product["v1_upper"].values[0][dark] != 0).all()


def test_daylight_needs_a_place() -> None:
    store = radiation(make_store())
    bare = TensorStore(store.dataset.drop_vars(["lat", "lon"]))
    with pytest.raises(ConfigError, match=r"data.variables.v0.daylight needs to know where"):
        WindowDataset(bare, SPEC, [10])


def test_old_cards_know_no_daylight() -> None:
    assert not ChannelMeta.model_validate({"name": "t2m"}).daylight
