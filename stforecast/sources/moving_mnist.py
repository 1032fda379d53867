"""Moving MNIST: sequences of digits that move, made from the digits themselves.

See :mod:`stforecast.generators.moving_digits` for the motion. Which digits are trained on, chosen
by and tested on is settled here, and no digit is in two of the three.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.generators import Generation, MovingDigits
from stforecast.generators.moving_digits import shuffled
from stforecast.options import DataOptions, MovingMNISTOptions
from stforecast.remote import Location
from stforecast.sources.digits import DigitFile, Images, holds_digits, read_digits
from stforecast.sources.files import on_this_machine
from stforecast.sources.times import frame_times

VARIABLE: Final = "intensity"
PAPER: Final = (
    "Srivastava, Mansimov & Salakhutdinov, Unsupervised Learning of Video Representations using "
    "LSTMs, ICML 2015"
)
# Share of the digits that is held back where the files do not tell the parts apart.
_VALIDATION, _TEST = 0.1, 0.1
# Streams of the generator; of the last come no sequences but the order of the digits.
_STREAMS: Final = {"train": 0, "validation": 1, "test": 2}
_ORDER = 3
WORDS: Final = {"train": "training", "validation": "validation", "test": "test"}
# Cells of a block: 32 MiB of float32.
_BLOCK_CELLS = 2**23


class MovingMNIST:
    """Digits in the IDX format of MNIST, in NumPy's or in a table become sequences.

    Sequences for validation and test are those of the dataset, in this order; how those for
    training are drawn is in ``encoding["generation"]``. An array of sequences (T, N, H, W) of
    bytes, as the test set was published, is taken as it is.
    """

    name = "moving-mnist"

    def recognises(self, location: Location) -> bool:
        """An IDX file of images, or an array of sequences in NumPy's format."""
        return isinstance(location, Path) and location.is_file() and holds_digits(location)

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """See :class:`stforecast.sources.base.Source`."""
        files = [read_digits(on_this_machine(location)) for location in locations]
        asked = options.moving_mnist
        published = [file for file in files if file.sequences is not None]
        if len(published) > 1:
            raise DataError(
                f"{published[0].path} and {published[1].path} are both arrays of sequences; give "
                "one of them"
            )
        if len(published) == len(files):
            return _dataset(_published(files[0]), options, [], None)
        pools = _pools(files, asked, has_test=bool(published))
        _check_room(files, pools, asked)
        parts: dict[str, da.Array] = {}
        if asked.validation:
            parts["validation"] = _drawn(pools, "validation", asked)
        parts["test"] = _published(published[0]) if published else _drawn(pools, "test", asked)
        if published and parts["test"].shape[1:] != (asked.frames, asked.size, asked.size):
            _, height, width = parts["test"].shape[1:]
            raise ConfigError(
                f"the sequences of {published[0].path} have {parts['test'].shape[1]} frames of "
                f"{height} x {width}; set data.moving_mnist to the same frames and size"
            )
        values = da.concatenate(list(parts.values()))
        generator = _generator(pools.images["train"], "train", asked)
        generation = Generation(
            name=generator.name,
            settings=generator.settings,
            arrays={generator.array: (("digit", "digit_y", "digit_x"), generator.images)},
            sequences=asked.train,
            stored=_ranges({name: part.shape[0] for name, part in parts.items()}),
        )
        return _dataset(values, options, pools.notes, generation)


@dataclass(frozen=True)
class _Pools:
    """Digits of each part, and a note on where they are from."""

    images: dict[str, Images]
    notes: list[str]


def _pools(files: Sequence[DigitFile], asked: MovingMNISTOptions, *, has_test: bool) -> _Pools:
    digits = [file.digits for file in files if file.digits is not None]
    test = [file.test_digits for file in files if file.test_digits is not None]
    if not test and len(digits) == 2:
        # MNIST comes as two files, and the smaller one is for testing
        digits.sort(key=len, reverse=True)
        test = [digits.pop()]
    if len(digits) != 1 or len(test) > 1:
        listed = ", ".join(str(file.path) for file in files)
        raise DataError(
            f"of digits there can be one file, or one to train on and one to test on, not {listed}"
        )
    order = shuffled(len(digits[0]), asked.seed, _ORDER)
    shares = {
        "validation": _VALIDATION if asked.validation else 0.0,
        "test": 0.0 if test or has_test else _TEST,
    }
    images: dict[str, Images] = {}
    start = 0
    for name, share in shares.items():
        size = round(len(order) * share)
        if share and size == 0:
            raise DataError(
                f"{files[0].path} holds {len(order)} digits, too few to keep some of them for "
                f"{WORDS[name]}"
            )
        images[name] = digits[0][order[start : start + size]]
        start += size
    images = {"train": digits[0][order[start:]], **images}
    if test:
        images["test"] = test[0]
    counted = [f"{len(part)} for {WORDS[name]}" for name, part in images.items() if len(part)]
    return _Pools(images, [f"digits: {', '.join(counted)}; none is in two of them"])


def _check_room(files: Sequence[DigitFile], pools: _Pools, asked: MovingMNISTOptions) -> None:
    for images in pools.images.values():
        height, width = images.shape[1:]
        if len(images) and max(height, width) > asked.size:
            raise ConfigError(
                f"data.moving_mnist.size is {asked.size}, too small for the digits of "
                f"{files[0].path}, which have {height} x {width} pixels"
            )


def _generator(images: Images, part: str, asked: MovingMNISTOptions) -> MovingDigits:
    return MovingDigits(
        images,
        frames=asked.frames,
        digits=asked.digits,
        size=asked.size,
        seed=asked.seed,
        stream=_STREAMS[part],
    )


def _drawn(pools: _Pools, part: str, asked: MovingMNISTOptions) -> da.Array:
    """Sequences (N, T, H, W), drawn when they are asked for."""
    generator = _generator(pools.images[part], part, asked)
    count = {"validation": asked.validation, "test": asked.test}[part]
    return _blocks(_Drawn(generator, count), tokenize(generator.settings, generator.images))


def _published(file: DigitFile) -> da.Array:
    """Sequences (N, T, H, W) of an array (T, N, H, W), read when they are asked for."""
    assert file.sequences is not None
    frames, count, height, width = file.sequences
    token = tokenize(str(file.path), file.path.stat().st_mtime_ns)
    return _blocks(_Published(file.path, (count, frames, height, width)), token)


def _blocks(values: "_Drawn | _Published", token: str) -> da.Array:
    count, *shape = values.shape
    sequences = max(1, _BLOCK_CELLS // int(np.prod(shape)))
    array: da.Array = da.from_array(
        values,
        chunks=(min(sequences, count), *shape),
        name=f"moving-mnist-{token}-{count}",
        meta=np.empty((0,) * 4, np.float32),
    )
    return array


class _Drawn:
    """The first sequences of a generator as an array (N, T, H, W)."""

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, generator: MovingDigits, count: int) -> None:
        self._generator = generator
        frames, _, height, width = generator.shape
        self.shape = (count, frames, height, width)

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        numbers = np.arange(self.shape[0])[key[0]]
        return self._generator.draw(numbers)[:, :, 0][(slice(None), *key[1:])]


class _Published:
    """An array (T, N, H, W) of bytes in a file as numbers (N, T, H, W) from 0 to 1."""

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self._path = path
        self.shape = shape

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        array = np.load(self._path, mmap_mode="r", allow_pickle=False)
        chosen: NDArray[np.uint8] = array.swapaxes(0, 1)[key]
        return np.divide(chosen, np.float32(255), dtype=np.float32)


def _ranges(sizes: dict[str, int]) -> dict[str, tuple[int, int]]:
    ranges, start = {}, 0
    for name, size in sizes.items():
        ranges[name] = (start, start + size)
        start += size
    return ranges


def _dataset(
    values: da.Array, options: DataOptions, notes: list[str], generation: Generation | None
) -> xr.Dataset:
    attrs = {"long_name": "intensity", "units": "1"}
    dims = (names.SEQUENCE, names.TIME, names.Y, names.X)
    dataset = xr.Dataset(
        {VARIABLE: (dims, values, attrs)},
        coords={names.TIME: frame_times(values.shape[1], options.time_step)},
        attrs={"title": "Moving MNIST", "references": PAPER},
    )
    dataset.encoding[names.SOURCE_NOTES] = notes
    if generation is not None:
        dataset.encoding[names.GENERATION] = generation
    return dataset
