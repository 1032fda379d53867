"""Scores of a made-up forecast beside references, small enough to be worked out again."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

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
    return Case(store, forecasts, made, scores)


@pytest.fixture(scope="session")
def case() -> Case:
    return make_case()
