"""What every source must keep; a new one needs a line in SAMPLES."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions
from stforecast.sources import SOURCES, find_source, open_source

HOURS = np.datetime64("2020-01-01", "ns") + np.arange(24) * np.timedelta64(1, "h")
SECONDS = np.datetime64("1970-01-01", "us") + np.arange(4) * np.timedelta64(1, "s")
# Out of order and with one time twice: a source hands on what it finds.
ORDER = [5, 3, 3, *range(6, 24), 0, 1, 2, 4]
VALUES = np.random.default_rng(0).normal(size=(24, 3, 4)).round(3)
VIDEOS = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 6), np.uint8)  # sequence, time, y, x


def _netcdf(path: Path) -> None:
    xr.Dataset({"t": (("time", "lat", "lon"), VALUES)}, coords={"time": HOURS}).isel(
        time=ORDER
    ).to_netcdf(path)


def _deepst(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = VALUES[ORDER][:, None]
        file["date"] = [f"20200101{hour:02d}".encode() for hour in ORDER]


def _moving_mnist(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, VIDEOS.swapaxes(0, 1))


def _frames(path: Path) -> None:
    for sequence, video in enumerate(VIDEOS):
        folder = path / f"video_{sequence}"
        folder.mkdir(parents=True)
        for number, frame in enumerate(video):
            Image.fromarray(frame).save(folder / f"{number}.png")


@dataclass(frozen=True)
class Sample:
    """How to write a sample, the times and values read from it, and a file that it has."""

    write: Callable[[Path], None]
    times: np.ndarray
    values: np.ndarray
    file: str = ""


SAMPLES = {
    "netcdf": Sample(_netcdf, HOURS[ORDER], VALUES[ORDER]),
    "deepst": Sample(_deepst, HOURS[ORDER], VALUES[ORDER]),
    "moving-mnist": Sample(_moving_mnist, SECONDS, VIDEOS / 255),
    "frames": Sample(_frames, SECONDS, VIDEOS / 255, "video_0/0.png"),
}


@pytest.fixture(params=list(SOURCES))
def sample(request, tmp_path) -> tuple[str, Path]:
    path = tmp_path / "data.bin"
    SAMPLES[request.param].write(path)
    return request.param, path


def test_it_is_found_from_the_content_of_its_file(sample):
    name, path = sample
    assert find_source([path]) == name


def test_it_is_lazy_and_mends_nothing(sample):
    name, path = sample
    dataset = open_source([path])
    (variable,) = dataset.data_vars.values()
    assert variable.chunks is not None
    np.testing.assert_array_equal(dataset.time.values, SAMPLES[name].times)
    np.testing.assert_allclose(variable.values, SAMPLES[name].values, rtol=1e-6)
    assert dataset.encoding[names.SOURCE_FILES] == [str(path)]
    layout = lay_out(dataset)
    np.testing.assert_array_equal(layout.dataset.time.values, SAMPLES[name].times)


def test_it_leaves_nothing_beside_the_file_and_does_not_hold_it(sample):
    _, path = sample
    before = _files(path.parent)
    open_source([path]).load().close()
    assert _files(path.parent) == before


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7])
def test_a_truncated_file_is_told_in_one_sentence(sample, share):
    name, path = sample
    file = path / SAMPLES[name].file
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError) as caught:
        open_source([path], DataOptions(reader=name)).load()
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_file_is_told_in_one_sentence(sample):
    name, path = sample
    foreign = path.with_name("foreign.bin")
    foreign.write_bytes(b"time,value\n2020-01-01,1\n" * 100)
    assert not SOURCES[name].recognises(foreign)
    with pytest.raises(DataError) as caught:
        open_source([foreign], DataOptions(reader=name))
    assert str(foreign) in str(caught.value)
    assert "\n" not in str(caught.value)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
