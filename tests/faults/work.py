"""What the children of the fault tests do: small ingests of several shards, and looking at them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import stforecast as sf
from stforecast import folders, names
from stforecast.errors import StoreError
from stforecast.ingest.append import append as add
from stforecast.options import DataOptions
from stforecast.store import TensorStore

STEPS = 40
# Shards of 16 steps of two variables on 12 × 18 cells, of chunks of 4.
STORAGE = {"shard_size": 16 * 2 * 12 * 18 * 4, "chunk_steps": 4}


def make_sources(folder: str, seed: int, files: int = 4) -> list[str]:
    """Hourly files of two variables, with cells missing now and then, and once for 30 hours."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(files):
        times = np.datetime64("2020-01-01", "ns") + np.arange(
            index * STEPS, (index + 1) * STEPS
        ) * np.timedelta64(1, "h")
        shape = (STEPS, 12, 18)
        values = rng.normal(280, 9, (2, *shape)).round(2).astype(np.float32)
        values[rng.random((2, *shape)) < 0.02] = np.nan
        if index == 1:
            values[:, 5:35] = np.nan
        dims = ("time", "lat", "lon")
        dataset = xr.Dataset(
            {"t2m": (dims, values[0], {"units": "K"}), "d2m": (dims, values[1], {"units": "K"})},
            {
                "time": times,
                "lat": ("lat", np.linspace(60, 49, 12), {"units": "degrees_north"}),
                "lon": ("lon", np.arange(18.0), {"units": "degrees_east"}),
            },
        )
        path = Path(folder) / f"part-{index}.nc"
        encoding: Any = {name: {"chunksizes": (7, 12, 18), "zlib": True} for name in dataset}
        dataset.to_netcdf(path, encoding=encoding)
        made.append(str(path))
    return made


def ingest(files: list[str], store: str, overwrite: bool = False) -> None:
    """Read the files into the store."""
    sf.ingest(files, store, overwrite=overwrite, storage=STORAGE)


def state(store: str) -> dict[str, Any]:
    """What is at a store's path: a digest of its arrays, what is broken, what lies beside it."""
    path = Path(store)
    beside = [left.path.name for left in folders.leftovers(path)]
    try:
        found = sf.check(path)
    except StoreError as error:
        return {
            "digest": None,
            "problems": [],
            "beside": beside,
            "strange": [],
            "error": str(error),
        }
    return {
        "digest": digest(path),
        "problems": [str(problem) for problem in found.problems],
        "beside": beside,
        "strange": [note for note in found.notes if note.startswith("not of the store")],
        "shards": found.shards,
    }


def digest(store: Path) -> str:
    """Stands for every byte of a store, but for when it was made."""
    content = hashlib.sha256()
    for file in sorted(store.rglob("*")):
        key = file.relative_to(store).as_posix()
        if file.is_file() and key not in ("zarr.json", "manifest.json"):
            content.update(key.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    meta = TensorStore.open(store).meta.model_dump(exclude={"created", "updated", "history"})
    content.update(json.dumps(meta, sort_keys=True).encode())
    described = json.loads((store / "zarr.json").read_text())
    described["attributes"].pop(names.META_ATTRIBUTE)
    content.update(json.dumps(described, sort_keys=True).encode())
    return content.hexdigest()


def whole_shards(store: str) -> dict[str, int]:
    """The shards that lie in unfinished stores beside a store, and their inodes."""
    found = {}
    for left in folders.leftovers(Path(store)):
        for file in (left.path / "data" / "c").rglob("*"):
            if file.is_file() and not file.name.startswith("."):
                found[file.relative_to(left.path).as_posix()] = file.stat().st_ino
    return found


def read(store: str) -> list[str]:
    """Digests of what a user reads, one for each variable, coordinates included."""
    dataset = sf.open_store(store)
    digests = []
    for name, variable in dataset.variables.items():
        values = variable.values
        if values.dtype.kind == "O":
            values = values.astype(str)
        text = f"{name} {variable.dims} {variable.attrs} {values.dtype}"
        digests.append(hashlib.sha256(text.encode() + values.tobytes()).hexdigest())
    return digests


def append(files: list[str], store: str) -> None:
    """Add files to the store."""
    add(files, store, DataOptions())


def shards(store: str) -> dict[str, str]:
    """A digest of each shard of the data."""
    folder = Path(store)
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((folder / "data" / "c").rglob("*"))
        if file.is_file()
    }


def read_while_it_grows(files: list[str], store: str) -> bool:
    """Open the store, add files to it, and read what was there through the view from before."""
    opened = TensorStore.open(store)
    before = opened.read(0, opened.shape[0])
    add(files, store, DataOptions())
    same = np.array_equal(opened.read(0, opened.shape[0]), before, equal_nan=True)
    return same and TensorStore.open(store).shape[0] > opened.shape[0]
