"""Windows of a record, in random order: from memory, and from a store larger than memory.

Everything runs on one thread in processes of their own, by the processor's clock, so that a busy
machine gives the same ratios.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.measure import in_own_process, peak_memory

# An hourly record of a year, two variables of 64 x 128 cells: 574 MB.
STEPS, HEIGHT, WIDTH = 8760, 64, 128
HISTORY = HORIZON = 8
BATCH = 32
LIMITS = {"256 MB": 256 * 10**6, "128 MB": 128 * 10**6}
REPEATS = 5

# Windows a second, bytes of memory beyond those before the first, and what share of its frames was
# read how often.
Rate = tuple[float, int, str]


def bench_windows() -> Table:
    """Our loader beside slices of a numpy array, of the Zarr array and of xarray, by xbatcher."""
    table = Table("where the record is", "read by", "windows/s", "ratio", "memory", "frames read")
    table.title = (
        f"Windows of {HISTORY} + {HORIZON} steps of 2 x {STEPS} x {HEIGHT} x {WIDTH} values, "
        f"in batches of {BATCH}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.zarr"
        in_own_process(_make, path)
        sliced, ours = in_own_process(_in_memory, path)
        rows: list[tuple[str, str, Rate]] = [
            ("in memory", "numpy, window by window", sliced),
            ("in memory", "loader", ours),
        ]
        for words, limit in LIMITS.items():
            rows.append(("in a store", f"loader, {words}", in_own_process(_blocks, path, limit)))
        rows.append(("in a store", "zarr, window by window", in_own_process(_zarr, path)))
        rows.append(("in a store", "xbatcher", in_own_process(_xbatcher, path)))
    for where, way, (rate, memory, read) in rows:
        table.add_row(
            where, way, f"{rate:,.0f}", f"{rate / sliced[0]:.3f}", f"{memory / 1e6:.0f} MB", read
        )
    return table


def _make(path: Path) -> None:
    """A daily wave with noise, in tenths."""
    import xarray as xr

    from stforecast.ingest import ingest
    from stforecast.options import DataOptions

    random = np.random.default_rng(0)
    noise = np.round(random.standard_normal((61, HEIGHT, WIDTH)), 1).astype(np.float32)
    wave = np.sin(np.arange(24) / 24 * 2 * np.pi)[:, None, None].astype(np.float32)
    at = np.arange(STEPS)
    record = xr.Dataset(
        {
            name: (("time", "lat", "lon"), 280 + noise[at % 61] + 8 * wave[at % 24], {"units": "K"})
            for name in ("t2m", "d2m")
        },
        coords={
            "time": np.datetime64("2001-01-01", "us") + at.astype("timedelta64[h]"),
            "lat": ("lat", np.linspace(88, -88, HEIGHT), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(WIDTH) * 360 / WIDTH, {"units": "degrees_east"}),
        },
    )
    file = path.with_suffix(".nc")
    record.to_netcdf(file)
    ingest([str(file)], path, DataOptions())


def _windows(path: Path, cache: int) -> Any:
    """The samples of the whole record."""
    import torch

    from stforecast.store import TensorStore
    from stforecast.windows import Frames, WindowDataset, WindowSpec, init_positions

    torch.set_num_threads(1)
    store = TensorStore.open(path)
    for start in range(0, 800, 16):  # what the libraries take for themselves is not the loader's
        store.read(start, start + 16)
    spec = WindowSpec(HISTORY, HORIZON)
    frames = Frames(store, cache_bytes=cache)
    return WindowDataset(store, spec, init_positions(store, spec, None), frames)


def _in_memory(path: Path) -> tuple[Rate, Rate]:
    """By turns, as caches and clocks change while they run."""
    import torch

    from stforecast.store import TensorStore
    from stforecast.windows import ResumableLoader

    TensorStore.open(path).read(0, 1)
    before = peak_memory()
    dataset = _windows(path, 10**10)
    record = dataset.frames.read(0, STEPS)
    loaded = peak_memory() - before - record.nbytes
    loader = ResumableLoader(dataset, BATCH)

    def slices() -> Iterator[Any]:
        order = np.random.default_rng(0).permutation(len(dataset))
        for first in range(0, len(order), BATCH):
            inits = dataset.samples[order[first : first + BATCH], 1]
            history = np.stack([record[at + 1 - HISTORY : at + 1] for at in inits])
            target = np.stack([record[at + 1 : at + 1 + HORIZON] for at in inits])
            yield torch.from_numpy(history), torch.from_numpy(target)

    rates = [
        [_rate(way, len(dataset)) for way in (slices, loader.__iter__)] for _ in range(REPEATS)
    ]
    sliced, ours = np.array(rates).max(axis=0)
    return (float(sliced), record.nbytes, "once"), (float(ours), loaded, "once")


def _blocks(path: Path, limit: int) -> Rate:
    from stforecast.store import TensorStore
    from stforecast.windows import ResumableLoader

    read = 0
    plain = TensorStore.read

    def counted(store: TensorStore, start: int, stop: int, sequence: int = 0) -> Any:
        nonlocal read
        read += stop - start
        return plain(store, start, stop, sequence)

    TensorStore.read = counted  # type: ignore[method-assign]
    dataset = _windows(path, 0)
    loader = ResumableLoader(dataset, BATCH, memory=limit)
    before, read = peak_memory(), 0
    rate = max(_rate(loader.__iter__, len(dataset)) for _ in range(REPEATS))
    return rate, peak_memory() - before, f"{read / REPEATS / STEPS:.2f} times an epoch"


def _zarr(path: Path, windows: int = 512) -> Rate:
    import zarr

    array = zarr.open_group(path, mode="r")["data"]
    array[:1]
    before = peak_memory()
    length = HISTORY + HORIZON

    def batches() -> Iterator[Any]:
        starts = np.random.default_rng(0).integers(0, STEPS - length, windows)
        for first in range(0, windows, BATCH):
            yield np.stack([array[at : at + length] for at in starts[first : first + BATCH]])

    return _rate(batches, windows), peak_memory() - before, f"{2 * length} frames a window"


def _xbatcher(path: Path, windows: int = 128) -> Rate:
    import xarray as xr
    from xbatcher import BatchGenerator

    data = xr.open_zarr(path)["data"]
    data[:1].load()
    length = HISTORY + HORIZON
    generator = BatchGenerator(
        data, {"time": length}, input_overlap={"time": length - 1}, preload_batch=False
    )
    before = peak_memory()

    def batches() -> Iterator[Any]:
        chosen = np.random.default_rng(0).integers(0, len(generator), windows)
        for first in range(0, windows, BATCH):
            yield np.stack([generator[int(at)].values for at in chosen[first : first + BATCH]])

    return _rate(batches, windows), peak_memory() - before, ""


def _rate(batches: Callable[[], Iterator[Any]], windows: int) -> float:
    """Windows per second of the processor."""
    begin = time.process_time()
    for _ in batches():
        pass
    return windows / (time.process_time() - begin)
