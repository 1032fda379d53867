"""A small file of each format, for tests that break it."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from stforecast.store import write_store
from tests.helpers import make_store
from tests.ingest import zoo
from tests.sources.test_grib import field, messages

# What it is read as, where it lies, and by which reader.
Sample = tuple[str, Path, str | None]


def record() -> xr.Dataset:
    """A record as the large centres write them: packed, chunked, with bounds and a mapping."""
    dataset = zoo.geographic(np.arange(50.0, 42, -1), np.arange(-4, 4.0))
    dataset["tp"] = dataset.t.where(dataset.t > 0).assign_attrs(
        units="mm", cell_methods="time: sum"
    )
    return dataset.assign_attrs(title="a record to be broken", Conventions="CF-1.11")


def netcdf4(folder: Path) -> Sample:
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 1.0, "_FillValue": -32767}
    chunked = {**packed, "zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (2, 8, 8)}
    record().to_netcdf(_in(folder) / "record.nc", engine="netcdf4", encoding={"t": chunked})
    return "source", folder / "record.nc", None


def netcdf3(folder: Path) -> Sample:
    record().to_netcdf(
        _in(folder) / "classic.nc",
        engine="netcdf4",
        format="NETCDF3_64BIT",
        unlimited_dims=["time"],
    )
    return "source", folder / "classic.nc", None


def grib(folder: Path, edition: int = 2) -> Sample:
    fields = [field("2t", "heightAboveGround", 2, 280.0 + hour, hour) for hour in range(3)]
    fields += [field("10u", "heightAboveGround", 10, 2.0, hour) for hour in range(3)]
    return "source", messages(_in(folder) / "record.grib", *fields, edition=edition), None


def grib1(folder: Path) -> Sample:
    return grib(folder, edition=1)


def deepst(folder: Path) -> Sample:
    with h5py.File(_in(folder) / "flows.h5", "w") as file:
        file.create_dataset(
            "data", data=np.arange(48 * 2 * 3 * 4.0).reshape(48, 2, 3, 4), chunks=(8, 2, 3, 4)
        )
        file["date"] = [
            f"2020010{1 + hour // 24}{hour % 24 + 1:02d}".encode() for hour in range(48)
        ]
    return "source", folder / "flows.h5", None


def zarr2(folder: Path) -> Sample:
    record().to_zarr(_in(folder) / "record.zarr", zarr_format=2, consolidated=True)
    return "source", folder / "record.zarr", None


def zarr3(folder: Path) -> Sample:
    record().to_zarr(_in(folder) / "record.zarr", zarr_format=3, consolidated=False)
    return "source", folder / "record.zarr", None


def store(folder: Path) -> Sample:
    write_store(make_store(n=30, absent=[3], missing=0.1).dataset, _in(folder) / "store.zarr")
    return "store", folder / "store.zarr", None


def csv(folder: Path) -> Sample:
    rows = [f"2020-01-{day:02d},{day / 2},{'' if day == 3 else day}" for day in range(1, 29)]
    _in(folder).joinpath("weather.csv").write_text("\n".join(["date,rain,wind", *rows]) + "\n")
    return "table", folder / "weather.csv", None


def idx(folder: Path) -> Sample:
    path = _in(folder) / "digits.idx"
    path.write_bytes(b"\x00\x00\x08\x03" + struct.pack(">3I", 30, 28, 28) + bytes(30 * 784))
    return "digits", path, None


def idx_gz(folder: Path) -> Sample:
    _, plain, _ = idx(folder)
    path = folder / "digits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    return "digits", path, None


def npz(folder: Path) -> Sample:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (30, 28, 28), np.uint8)
    np.savez_compressed(_in(folder) / "digits.npz", x_train=images, x_test=images[:5])
    return "digits", folder / "digits.npz", None


def npy(folder: Path) -> Sample:
    np.save(_in(folder) / "sequences.npy", np.zeros((4, 3, 8, 8), np.uint8))
    return "source", folder / "sequences.npy", "moving-mnist"


def _in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


SAMPLES: dict[str, Callable[[Path], Sample]] = {
    "netcdf4": netcdf4,
    "netcdf3": netcdf3,
    "grib": grib,
    "grib1": grib1,
    "deepst": deepst,
    "zarr2": zarr2,
    "zarr3": zarr3,
    "store": store,
    "csv": csv,
    "idx": idx,
    "idx_gz": idx_gz,
    "npz": npz,
    "npy": npy,
}
