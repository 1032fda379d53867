"""The shape of a record's samples is told without reading it, and is the one that training has."""

from pathlib import Path

import numpy as np
import pytest

from stforecast.errors import ConfigError, StoreError
from stforecast.options import CalendarCovariate, SplitOptions, WindowOptions
from stforecast.profiling.shapes import PRESET_SHAPES, shape_of_record
from stforecast.store import TensorStore, write_store
from stforecast.training.plan import make_plan
from tests.helpers import make_store

WINDOWS = WindowOptions(history="6h", horizon=2, covariates=[CalendarCovariate(calendar=["hour"])])
HOLE = np.zeros((60, 2, 6, 8), dtype=bool)


@pytest.mark.parametrize("hole", [None, (3, 0), (59, 0), (3, slice(None))], ids=str)
@pytest.mark.parametrize("sequences", [None, 10])
def test_is_that_of_a_training(
    hole: tuple[int, int] | None, sequences: int | None, tmp_path: Path
) -> None:
    missing = HOLE.copy()
    if hole is not None:
        missing[hole][..., 0, 0] = True
    made = make_store(
        60, 2, missing=missing, absent=[7], periodic=True, sequences=sequences, height=6, width=8
    )
    write_store(made.dataset, tmp_path / "store.zarr")
    store = TensorStore.open(tmp_path / "store.zarr")
    split = SplitOptions(train=0.5, validation=0.2, test=0.3)
    shape = shape_of_record(store, WINDOWS, split)
    assert shape == make_plan(store, WINDOWS, split).shape
    assert (shape.in_steps, shape.out_steps, shape.channels) == (6, 2, 2)
    assert shape.periodic_x
    assert shape.future_channels == 2


def test_reads_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(make_store(60).dataset, tmp_path / "store.zarr")
    store = TensorStore.open(tmp_path / "store.zarr")
    for chunk in (tmp_path / "store.zarr" / "data" / "c").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    with pytest.raises(StoreError, match="has lost"):
        store.read(0, 60)
    shape = shape_of_record(store, WindowOptions(), SplitOptions())
    assert (shape.height, shape.past_channels) == (6, 0)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="whole number of time steps"):
        shape_of_record(make_store(60), WindowOptions(history="90min"), SplitOptions())


def test_presets_have_the_published_shapes() -> None:
    assert PRESET_SHAPES["weather"].periodic_x
    assert PRESET_SHAPES["moving_mnist"].height == 64
