"""Files that are broken in every way: each is read, or refused in one sentence, and nothing else.

Damaged HDF5 may let the HDF5 library itself go round in circles, in a loop that nothing in its
process can end: such a try is counted, and there must be few. Nothing else may crash or hang.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stforecast.errors import DataError
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.sources.classic import missing_bytes
from stforecast.sources.messages import check_messages
from tests.sources.fuzzing import Outcome, Reader
from tests.sources.mutations import mutate_tree, mutated
from tests.sources.samples import SAMPLES

HDF5 = ("netcdf4", "deepst")
# Of every so many files of HDF5 the library may hang in one, or crash.
LIBRARY = 50
# The first tries of these are part of the fast tests; the campaign goes on from there.
SEED = 5
FAST, SLOW = 10, 2000

REAL = {
    "netcdf": ("era5_uk_t2m/era5_t2m_uk_201903.nc", None),
    "packed": ("era5_ssr/era5_ssr_64x64_199701-02.nc", None),
    "grib": ("era5_uk_t2m/era5-2mt-2019-03-uk.grib", None),
    "deepst": ("taxinyc/NYC13_Taxi_M16x8_T60_InOut.h5", "deepst"),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def broken(path: Path, folder: Path, rng: random.Random) -> Path:
    """A copy of a sample with something wrong with it."""
    target = folder / "broken" / path.name
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    if path.is_dir():
        shutil.copytree(path, target)
        mutate_tree(target, rng)
    else:
        target.write_bytes(mutated(path.read_bytes(), rng))
    return target


def campaign(
    reader: Reader, sample: tuple[str, Path, str | None], folder: Path, seed: int, tries: int
) -> Counter[str]:
    """Read so many broken copies; a failure names the seed, and keeps the file."""
    what, path, name = sample
    counts: Counter[str] = Counter()
    for number in range(seed, seed + tries):
        target = broken(path, folder, random.Random(number))
        outcome = reader.read(what, target, name)
        counts[outcome.kind] += 1
        if outcome.kind not in ("hung", "crashed"):
            assert outcome.is_clean, f"seed {number}, file {target}: {outcome}"
    return counts


def hold(counts: Counter[str], kind: str) -> None:
    gone = counts["hung"] + counts["crashed"]
    assert gone <= (counts.total() // LIBRARY if kind in HDF5 else 0), counts
    assert counts["refused"], counts


@pytest.mark.parametrize("kind", SAMPLES)
def test_broken_files_are_read_or_refused(reader, tmp_path, kind):
    sample = SAMPLES[kind](tmp_path / "sample")
    assert reader.read(*sample) == Outcome("read")
    hold(campaign(reader, sample, tmp_path, SEED, FAST), kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
def test_many_broken_files_are_read_or_refused(reader, tmp_path, kind):
    sample = SAMPLES[kind](tmp_path / "sample")
    hold(campaign(reader, sample, tmp_path, SEED + FAST, SLOW), kind)


@pytest.mark.parametrize("kind", REAL)
def test_broken_real_files_are_read_or_refused(reader, shared, tmp_path, kind):
    name, source = REAL[kind]
    sample = ("source", shared / "data" / name, source)
    campaign(reader, sample, tmp_path, SEED, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", REAL)
def test_many_broken_real_files_are_read_or_refused(reader, shared, tmp_path, kind):
    name, source = REAL[kind]
    sample = ("source", shared / "data" / name, source)
    counts = campaign(reader, sample, tmp_path, SEED + 3, 300)
    hold(counts, "netcdf4" if kind != "grib" else kind)


@pytest.mark.parametrize("kind", ["netcdf3", "grib", "grib1"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_what_checks_a_file_first_never_fails(tmp_path, kind, seed):
    path = tmp_path / "sample" / kind
    if not path.exists():
        path = SAMPLES[kind](tmp_path / "sample")[1].rename(path)
    target = broken(path, tmp_path, random.Random(seed))
    if kind == "netcdf3":
        with suppress(ValueError):
            assert missing_bytes(target) >= 0
    else:
        with suppress(DataError):
            check_messages(target, "a file")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    content=st.binary(max_size=300), head=st.sampled_from([b"", b"CDF\x01", b"GRIB", b"\x93NUMPY"])
)
def test_bytes_of_no_format_are_refused(tmp_path, content, head):
    path = tmp_path / "data.bin"
    path.write_bytes(head + content)
    with pytest.raises(DataError) as caught:
        open_source([path], DataOptions())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["grib", "grib1"])
def test_messages_that_do_not_add_up_are_told(tmp_path, kind):
    path = SAMPLES[kind](tmp_path)[1]
    content = path.read_bytes()
    check_messages(path, "it")
    end = content.index(b"7777")
    for spoilt in (
        content[:end] + b"7778" + content[end + 4 :],
        content[: 8 if kind == "grib1" else 16]
        + b"\xff" * 3
        + content[11 if kind == "grib1" else 19 :],
    ):
        path.write_bytes(spoilt)
        with pytest.raises(DataError, match=r"is broken in its message at byte 0|is truncated"):
            open_source([path])
