"""Videos as folders of images: each folder is a sequence, each of its images a frame."""

import os
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
from stforecast.errors import DataError
from stforecast.options import DataOptions
from stforecast.sources.base import Location
from stforecast.sources.files import image_folders, image_paths
from stforecast.sources.images import Picture, look_at, read_image
from stforecast.sources.times import frame_times

GREY: Final = ("intensity",)
COLOURS: Final = ("red", "green", "blue")
# Cells of a block: 32 MiB of float32.
_BLOCK_CELLS = 2**23
_SHOWN = 3


class FrameFolders:
    """Folders of images, one for each sequence, such as those of KTH and Human3.6M.

    The frames of a sequence are its images in the order of their names, with numbers in them taken
    as numbers. A folder of folders stands for all of these. Values go from 0 to 1. All sequences
    have the same number of frames: that of the shortest, or ``data.frames.length``.
    """

    name = "frames"

    def recognises(self, location: Location) -> bool:
        """A folder that holds images, or folders of images."""
        return isinstance(location, Path) and next(image_folders(location), None) is not None

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """See :class:`stforecast.sources.base.Source`."""
        clips = [clip for location in locations for clip in _clips(location)]
        notes: list[str] = []
        clips, length = _of_one_length(clips, options.frames.length, notes)
        first = clips[0].images[0]
        picture = _picture(first, options)
        channels = COLOURS if picture.colour else GREY
        values = _lazy(clips, length, picture, first)
        attrs = {"units": "1"}
        dims = (names.SEQUENCE, names.TIME, names.Y, names.X)
        dataset = xr.Dataset(
            {
                name: (dims, values[:, :, index], {"long_name": name, **attrs})
                for index, name in enumerate(channels)
            },
            coords={
                names.TIME: frame_times(length, options.time_step),
                names.SEQUENCE: (names.SEQUENCE, np.array(_labels(clips), dtype=object)),
            },
        )
        dataset.encoding[names.SOURCE_NOTES] = notes
        return dataset


@dataclass(frozen=True)
class _Clip:
    folder: Path
    images: list[Path]


def _clips(location: Location) -> list[_Clip]:
    found = []
    if isinstance(location, Path) and location.is_dir():
        found = [_Clip(folder, image_paths(folder)) for folder in image_folders(location)]
    if not found:
        raise DataError(f"{location} is no folder of images; name one for each sequence")
    return found


def _of_one_length(
    clips: list[_Clip], length: int | None, notes: list[str]
) -> tuple[list[_Clip], int]:
    """The sequences that are long enough, and the frames that are taken of each."""
    if length is None:
        shortest = min(clips, key=lambda clip: len(clip.images))
        length = len(shortest.images)
        if length < 2:
            raise DataError(
                f"{shortest.folder} holds a single image, which is no sequence; say in "
                "data.frames.length how many frames a sequence must have"
            )
        longer = sum(len(clip.images) > length for clip in clips)
        if longer:
            notes.append(
                f"{longer} of {len(clips)} sequences are cut to the {length} frames of the "
                f"shortest, {shortest.folder}; with data.frames.length they may have more, and "
                "shorter ones are left out"
            )
        return clips, length
    kept = [clip for clip in clips if len(clip.images) >= length]
    if not kept:
        longest = max(clips, key=lambda clip: len(clip.images))
        raise DataError(
            f"no sequence has the {length} frames that data.frames.length asks for: the longest, "
            f"{longest.folder}, has {len(longest.images)}"
        )
    if len(kept) < len(clips):
        left = [str(clip.folder) for clip in clips if len(clip.images) < length]
        listed = ", ".join(left[:_SHOWN]) + (", …" if len(left) > _SHOWN else "")
        notes.append(
            f"of {len(clips)} sequences {len(left)} with fewer than {length} frames left out: "
            f"{listed}"
        )
    return kept, length


def _picture(first: Path, options: DataOptions) -> Picture:
    """What every frame is to be: as the first is, but for what the options say."""
    found = look_at(first)
    resize, colour = options.frames.resize, options.frames.colour
    return Picture(
        height=found.height if resize is None else resize.height,
        width=found.width if resize is None else resize.width,
        colour=found.colour if colour is None else colour,
        resize=resize is not None,
    )


def _lazy(clips: list[_Clip], length: int, picture: Picture, first: Path) -> da.Array:
    """Frames (sequence, time, channel, y, x), read in blocks of one sequence each."""
    channels = 3 if picture.colour else 1
    cells = channels * picture.height * picture.width
    steps = min(length, max(1, _BLOCK_CELLS // cells))
    whole, rest = divmod(length, steps)
    images = [clip.images[:length] for clip in clips]

    def block(block_info: Any = None) -> NDArray[np.float32]:
        (sequence, _), (start, stop) = block_info[None]["array-location"][:2]
        frames = [read_image(path, picture, first) for path in images[sequence][start:stop]]
        return np.stack(frames)[np.newaxis]

    # A function of a whole block: dask would push the choice of a channel into plain reading, and
    # then each image would be read once for each channel.
    array: da.Array = da.map_blocks(
        block,
        chunks=(
            (1,) * len(clips),
            (steps,) * whole + ((rest,) if rest else ()),
            (channels,),
            (picture.height,),
            (picture.width,),
        ),
        dtype=np.float32,
        meta=np.empty((0,) * 5, np.float32),
        name=f"frames-{tokenize(images, picture)}",
    )
    return array


def _labels(clips: list[_Clip]) -> list[str]:
    """Names of the sequences: their folders, as far down as they differ."""
    folders = [clip.folder.resolve() for clip in clips]
    if len(folders) == 1:
        return [folders[0].name]
    common = Path(os.path.commonpath(folders))
    return [folder.relative_to(common).as_posix() for folder in folders]
