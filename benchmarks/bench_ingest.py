"""Ingest beside a bare ``to_zarr`` of the same file, and as the record grows.

Everything runs in processes of their own, each of which measures its peak memory; the time is that
of the processor, so that a busy machine gives the same ratios. ``python -m benchmarks.bench_ingest
20`` ingests 20 GB, which is left out of the usual run, and tells its peak memory.
"""

import math
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.measure import in_own_process, peak_memory

# An hourly record of a year, two variables of 64 x 128 cells: 574 MB.
STEPS, HEIGHT, WIDTH = 8760, 64, 128
# How the values lie in the file: chunk sizes of (time, lat, lon), and whether they are compressed.
LAYOUTS: dict[str, tuple[tuple[int, int, int] | None, bool]] = {
    "one after the other": (None, False),
    "a chunk for each step": ((1, HEIGHT, WIDTH), False),
    "the same, compressed": ((1, HEIGHT, WIDTH), True),
}
ODD_LAYOUTS: dict[str, tuple[tuple[int, int, int] | None, bool]] = {
    "a chunk for each row": ((1, 1, WIDTH), False),
    "chunks of all times": ((-1, 8, 16), False),
}
# Records of files of one step each.
FILES = (250, 1000, 4000)
REPEATS = 3

# Seconds of processor time, peak memory, and memory before there were any data.
Cost = tuple[float, int, int]


def bench_beside_to_zarr() -> Table:
    """A year of hours, with its checks, statistics and checksums, beside `to_zarr` without any."""
    table = Table("values in the file", "way", "time", "ratio", "peak memory", "of it for data")
    table.title = f"Ingest of 2 x {STEPS} x {HEIGHT} x {WIDTH} values, and xarray's to_zarr"
    with tempfile.TemporaryDirectory() as folder:
        for words, (chunks, zipped) in LAYOUTS.items():
            path = _record(Path(folder), STEPS, chunks, zipped)
            bare = _fastest(_bare, path)
            _add(table, words, "to_zarr", bare, bare)
            _add(table, words, "ingest", _fastest(_ingest, path), bare)
            path.unlink()
    return table


def bench_growing() -> Table:
    """A quarter, a year and four years: the exponent is 1 where time goes with the size."""
    table = Table("values in the file", "way", "1x", "4x", "16x", "exponent", "peak memory at each")
    table.title = "Processor time of records of 143 MB, 574 MB and 2.3 GB"
    with tempfile.TemporaryDirectory() as folder:
        for words, (chunks, zipped) in (LAYOUTS | ODD_LAYOUTS).items():
            ways = {"ingest": _ingest} | ({"to_zarr": _bare} if words in LAYOUTS else {})
            costs: dict[str, list[Cost]] = {way: [] for way in ways}
            for steps in (STEPS // 4, STEPS, STEPS * 4):
                path = _record(Path(folder), steps, chunks, zipped)
                for way, function in ways.items():
                    costs[way].append(in_own_process(function, path))
                path.unlink()
            for way, found in costs.items():
                table.add_row(words, way, *_growth(found))
    return table


def bench_many_files() -> Table:
    """A file for each hour: what is known of each file takes a little memory."""
    table = Table("variables of", "way", "1x", "4x", "16x", "exponent", "peak memory at each")
    table.title = f"Processor time of records of {', '.join(map(str, FILES))} files of one step"
    found: list[Cost] = []
    for count in FILES:
        with tempfile.TemporaryDirectory() as folder:
            in_own_process(_make_files, Path(folder), count, HEIGHT, WIDTH)
            found.append(in_own_process(_ingest, Path(folder) / "*.nc"))
    table.add_row(f"2 x {HEIGHT} x {WIDTH}", "ingest", *_growth(found))
    return table


def bench_codecs() -> Table:
    """What `data.storage.codec` costs: an ingest with all it does, reading of all, and room."""
    table = Table("codec", "ingest", "ratio", "reading", "ratio", "size", "ratio")
    table.title = f"The same record of 2 x {STEPS} x {HEIGHT} x {WIDTH} values by codec"
    with tempfile.TemporaryDirectory() as folder:
        path = _record(Path(folder), STEPS, None, False)
        first: tuple[float, float, int] | None = None
        for codec in ("zstd", "lz4", "zlib", "none"):
            found = in_own_process(_by_codec, path, codec)
            first = first or found
            ratios = [f"{one / other:.2f}" for one, other in zip(found, first, strict=True)]
            words = f"{found[0]:.2f} s", f"{found[1]:.2f} s", f"{found[2] / 1e6:.0f} MB"
            cells = [text for pair in zip(words, ratios, strict=True) for text in pair]
            table.add_row(codec, *cells)
    return table


def large(gigabytes: float) -> Table:
    """A record of so many GB of float32, generated and compressible, under 2 GB of memory.

    One step in eight holds a wave with noise, the others are zero.
    """
    frame = 2 * 721 * 1440 * 4
    steps = int(gigabytes * 1e9 / frame)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as folder:
        path = Path(folder) / "large.nc"
        in_own_process(_make_sparse, path, steps, 721, 1440)
        size = path.stat().st_size
        begin = time.perf_counter()
        seconds, peak, _ = in_own_process(_ingest, path, "2GB")
        wall = time.perf_counter() - begin
        table = Table("values", "file", "time", "of the processor", "peak memory")
        table.title = f"Ingest of 2 x {steps} x 721 x 1440 values with --memory-limit 2GB"
        table.add_row(
            f"{steps * frame / 1e9:.1f} GB",
            f"{size / 1e9:.1f} GB",
            f"{wall:.0f} s",
            f"{seconds:.0f} s",
            f"{peak / 1e6:.0f} MB",
        )
    return table


def _growth(found: list[Cost]) -> list[str]:
    """Times at 1x, 4x and 16x, the exponent between the ends, and peak memory."""
    exponent = math.log(found[-1][0] / found[0][0]) / math.log(16)
    memory = ", ".join(f"{cost[1] / 1e6:.0f}" for cost in found) + " MB"
    return [*(f"{cost[0]:.1f} s" for cost in found), f"{exponent:.2f}", memory]


def _add(table: Table, words: str, way: str, cost: Cost, bare: Cost) -> None:
    table.add_row(
        words,
        way,
        f"{cost[0]:.2f} s",
        f"{cost[0] / bare[0]:.2f}",
        f"{cost[1] / 1e6:.0f} MB",
        f"{(cost[1] - cost[2]) / 1e6:.0f} MB ({(cost[1] - cost[2]) / (bare[1] - bare[2]):.2f})",
    )


def _fastest(function: Callable[..., Cost], path: Path) -> Cost:
    return min(in_own_process(function, path) for _ in range(REPEATS))


def _record(folder: Path, steps: int, chunks: tuple[int, int, int] | None, zipped: bool) -> Path:
    path = folder / f"{steps}.nc"
    in_own_process(_make, path, steps, chunks, zipped, HEIGHT, WIDTH)
    return path


def _make(
    path: Path,
    steps: int,
    chunks: tuple[int, int, int] | None,
    zipped: bool,
    height: int,
    width: int,
) -> None:
    """Two variables of a daily wave with noise, in tenths, written some steps at a time."""
    import netCDF4

    sizes = None if chunks is None else [steps if size < 0 else size for size in chunks]
    with netCDF4.Dataset(path, "w") as file:
        _make_axes(file, steps, height, width)
        field = _fields(height, width)
        whole = sizes is not None and sizes[0] == steps
        run = steps if whole else min(steps, 2**24 // (height * width))
        for name in ("t2m", "msl"):
            variable = file.createVariable(
                name,
                "f4",
                ("time", "lat", "lon"),
                chunksizes=sizes,
                contiguous=sizes is None,
                zlib=zipped,
                complevel=1,
            )
            variable.units = "K"
            for start in range(0, steps, run):
                variable[start : start + run] = field(np.arange(start, min(start + run, steps)))


def _make_sparse(path: Path, steps: int, height: int, width: int) -> None:
    """The same one after the other, but for seven steps in eight, which are zero."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        _make_axes(file, steps, height, width)
        file.set_fill_off()
        field = _fields(height, width)
        for name in ("t2m", "msl"):
            dims = ("time", "lat", "lon")
            variable = file.createVariable(name, "f4", dims, contiguous=True)
            variable.units = "K"
            for step in range(0, steps, 8):
                variable[step] = field(np.array([step]))[0]


def _make_files(folder: Path, count: int, height: int, width: int) -> None:
    """The same, a file for each step."""
    import netCDF4

    field = _fields(height, width)
    for step in range(count):
        with netCDF4.Dataset(folder / f"{step:06d}.nc", "w") as file:
            _make_axes(file, 1, height, width, first=step)
            for name in ("t2m", "msl"):
                variable = file.createVariable(name, "f4", ("time", "lat", "lon"))
                variable.units = "K"
                variable[:] = field(np.array([step]))


def _make_axes(file: Any, steps: int, height: int, width: int, first: int = 0) -> None:
    for name, size in (("time", steps), ("lat", height), ("lon", width)):
        file.createDimension(name, size)
    stamps = file.createVariable("time", "i8", ("time",))
    stamps.units = "hours since 2000-01-01"
    stamps[:] = np.arange(first, first + steps)
    for name, units, values in (
        ("lat", "degrees_north", np.linspace(88, -88, height)),
        ("lon", "degrees_east", np.arange(width) * 360 / width),
    ):
        coordinate = file.createVariable(name, "f8", (name,))
        coordinate.units = units
        coordinate[:] = values


def _fields(height: int, width: int) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """The fields of some steps: (time, lat, lon)."""
    rng = np.random.default_rng(0)
    noise = np.round(rng.standard_normal((61, height, width)), 1).astype(np.float32)
    wave = np.sin(np.arange(24) / 24 * 2 * np.pi)[:, None, None].astype(np.float32)
    return lambda at: np.float32(280) + noise[at % 61] + np.float32(8) * wave[at % 24]


def _bare(path: Path) -> Cost:
    import netCDF4  # noqa: F401
    import xarray as xr
    import zarr  # noqa: F401

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        before, begin = peak_memory(), time.process_time()
        xr.open_dataset(path, chunks={"time": 600}).to_zarr(Path(folder) / "bare.zarr")
        return time.process_time() - begin, peak_memory(), before


def _ingest(path: Path, memory_limit: str = "1GB") -> Cost:
    import netCDF4  # noqa: F401

    from stforecast.ingest import ingest
    from stforecast.options import DataOptions

    options = DataOptions.model_validate({"storage": {"memory_limit": memory_limit}})
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        before, begin = peak_memory(), time.process_time()
        ingest([str(path)], folder / "store.zarr", options)
        return time.process_time() - begin, peak_memory(), before
    finally:
        shutil.rmtree(folder)


def _by_codec(path: Path, codec: str) -> tuple[float, float, int]:
    """Seconds to ingest, seconds to read all of the store again, and the bytes of its files."""
    import netCDF4  # noqa: F401

    from stforecast.ingest import ingest
    from stforecast.options import DataOptions
    from stforecast.store import TensorStore

    options = DataOptions.model_validate({"storage": {"codec": codec}})
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        place = Path(folder) / "store.zarr"
        begin = time.process_time()
        ingest([str(path)], place, options)
        seconds = time.process_time() - begin
        store = TensorStore.open(place)

        def read() -> float:
            begin = time.process_time()
            for start in range(0, STEPS, 240):
                store.read(start, min(start + 240, STEPS))
            return time.process_time() - begin

        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
        return seconds, min(read() for _ in range(REPEATS)), size


if __name__ == "__main__":
    Console(width=120).print(large(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
