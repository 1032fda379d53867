"""Scores of a made-up forecast beside references, small enough to be worked out again."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.store import TensorStore
from stforecast.verification import reference, verify
from tests.helpers import make_store

INITS = np.arange(24 * 10, 24 * 19, 5)
REFERENCES = ("persistence", "history_mean")


@dataclass
class Case:
    """A record, forecasts of it, and their scores."""

    store: TensorStore
    forecasts: dict[str, xr.Dataset]
    references: dict[str, xr.Dataset]
    scores: xr.Dataset


def make_case(by=("lead_time",), **settings) -> Case:
    store = make_store(24 * 20, ["t2m", "tp"], 4, 5)
    made = {
        name: reference(name, store, INITS, 6, history=4, train=(0, 240))
        for name in ("day_before", *REFERENCES)
    }
    forecasts = {"ours": made.pop("day_before")}
    scores = verify(forecasts, store.observations(), references=made, by=list(by), **settings)
    return Case(store, forecasts, made, without_intervals(scores))


def without_intervals(scores: xr.Dataset) -> xr.Dataset:
    """The scores as they are where no intervals are asked for."""
    return scores[[name for name in scores.data_vars if not name.endswith(("_lower", "_upper"))]]


@pytest.fixture(scope="session")
def case() -> Case:
    return make_case()


def with_diagnostics(case: Case) -> xr.Dataset:
    """The scores with diagnostics: of cases and cells worked out, the others made up."""
    scores = case.scores.copy()
    systems = {**case.forecasts, **case.references}
    dims = (names.SYSTEM, names.VARIABLE)
    variables = list(scores[names.VARIABLE].values)
    found = []
    for product in systems.values():
        truth = case.store.observations().sel(time=product[names.VALID_TIME])
        found.append(np.stack([(product[name] - truth[name]).values for name in variables]))
    errors = np.stack(found)  # (forecast, variable, init, lead, y, x)
    weight = np.cos(np.deg2rad(case.store.grid.latitude.values))[:, None]
    square = np.sum(errors**2 * weight, axis=(-1, -2, -3)) / (weight.sum() * 5 * 6)
    scores["case_rmse"] = ((*dims, names.INIT_TIME), np.sqrt(square))
    inits = next(iter(systems.values()))[names.INIT_TIME]
    scores = scores.assign_coords({names.INIT_TIME: inits})
    maps = (*dims, names.LEAD_TIME, "lat", "lon")
    scores["rmse_map"] = (maps, np.sqrt(np.mean(errors**2, axis=2)))
    scores["bias_map"] = (maps, np.mean(errors, axis=2))
    random = np.random.default_rng(0)
    shape = (len(systems), len(variables))
    for metric in ("csi", "pod", "far", "frequency_bias"):
        scores[metric] = (
            (*dims, "threshold", names.LEAD_TIME),
            random.random((*shape, 2, 6)),
            {"units": "1"},
        )
        scores[metric][:, 1, 1] = np.nan
    scores["fss"] = (
        (*dims, "threshold", "scale", names.LEAD_TIME),
        random.random((*shape, 2, 2, 6)),
    )
    scores["fss"][:, 1, 1] = np.nan
    scores["fss_weight"] = xr.ones_like(scores["fss"])
    scores = scores.assign_coords(threshold=[10.0, 12.5], scale=[1, 3])
    bins = (*dims, "threshold", "probability_bin")
    told = np.broadcast_to(np.linspace(0.05, 0.95, 10), (*shape, 2, 10))
    scores["reliability_forecast"] = (bins, told)
    scores["reliability_observed"] = (bins, told**1.3)
    count = np.full(told.shape, 100.0)
    count[1:] = 0  # references have no members
    count[:, 1, 1] = 0
    scores["reliability_count"] = (bins, count)
    ranks = np.full((*shape, 6, 11), np.nan)
    ranks[0] = random.integers(50, 100, (len(variables), 6, 11))
    scores["rank_histogram"] = ((*dims, names.LEAD_TIME, "rank"), ranks)
    waves = np.arange(1.0, 9.0)
    scores = scores.assign_coords(
        wavenumber=waves, wavelength=("wavenumber", 16 / waves), rank=np.arange(11)
    )
    seen = np.broadcast_to(waves**-3.0, (len(variables), 6, 8))
    scores["spectrum_observed"] = ((names.VARIABLE, names.LEAD_TIME, "wavenumber"), seen)
    blurred = np.broadcast_to(seen * np.linspace(1, 0.25, 8), (*shape, 6, 8))
    scores["spectrum"] = ((*dims, names.LEAD_TIME, "wavenumber"), blurred)
    for name, width in (("rmse", 0.1), ("skill", 0.15)):
        scores[f"{name}_lower"] = scores[name] - width
        scores[f"{name}_upper"] = scores[name] + width
    scores = scores.assign_coords(members=(names.SYSTEM, [10.0] + [np.nan] * (len(systems) - 1)))
    scores["spread"] = 0.6 * scores["rmse"]
    scores["spread_error"] = xr.full_like(scores["rmse"], 0.6)
    scores["coverage"] = xr.full_like(scores["rmse"], 0.82)
    scores.attrs["metrics"] = "rmse, mae, bias"
    return scores


@pytest.fixture(scope="session")
def diagnosed(case) -> xr.Dataset:
    return with_diagnostics(case)
