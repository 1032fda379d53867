"""The blocks of a store that are written, kept beside them until all are.

A write that is cut off leaves its directory with the journal; the next one that would write the
same goes on from there. A block counts as done when its files still are what the journal says.
"""

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stforecast.store.block import BlockDone
from stforecast.store.counts import Counts
from stforecast.store.manifest import Entry, sha256
from stforecast.store.reading import Block

# Within the array, where Zarr looks for nothing but shards.
FOLDER = "data/.journal"
_FINGERPRINT = "fingerprint"
_VERSION = 1


class Journal:
    """What is written of a store so far.

    `fingerprint` stands for all that the blocks depend on; without one nothing is kept.
    """

    def __init__(self, folder: Path, fingerprint: str | None) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        if fingerprint is not None and not self.fits(folder, fingerprint):
            self._journal.mkdir(parents=True)
            (self._journal / _FINGERPRINT).write_text(_text(fingerprint))

    @staticmethod
    def fits(folder: Path, fingerprint: str) -> bool:
        """Whether a directory was left by a write of the very same store, with a block done."""
        try:
            journal = folder / FOLDER
            same = (journal / _FINGERPRINT).read_text() == _text(fingerprint)
            return same and next(journal.glob("*.npz"), None) is not None
        except (OSError, ValueError):
            return False

    @property
    def _journal(self) -> Path:
        return self._folder / FOLDER

    def add(self, done: BlockDone) -> None:
        """Note a block once its files have their names."""
        if self._fingerprint is None:
            return
        files = {key: [entry.size, entry.sha256] for key, entry in done.files.items()}
        counts = done.counts
        partial = self._journal / f".{secrets.token_hex(4)}.tmp"
        with partial.open("wb") as file:
            np.savez(
                file,
                files=np.frombuffer(json.dumps(files).encode(), np.uint8),
                valid=done.valid,
                frames=np.array(counts.frames),
                missing=_sparse(counts.missing),
                whole=counts.whole,
                infinite=counts.infinite,
                minimum=counts.minimum,
                maximum=counts.maximum,
            )
        os.replace(partial, self._path(done.block))

    def resume(self, blocks: Sequence[Block], shape: tuple[int, ...]) -> list[BlockDone]:
        """The blocks that need not be written again; whatever else lies in the folder goes.

        `shape` is that of the record.
        """
        done = [found for block in blocks if (found := self._read(block, shape)) is not None]
        keep = {self._folder / key for found in done for key in found.files}
        keep |= {self._path(found.block) for found in done}
        if self._fingerprint is not None:
            keep.add(self._journal / _FINGERPRINT)
        for path in list(self._folder.rglob("*")):
            if path.is_file() and path not in keep:
                path.unlink()
        return done

    def forget(self) -> None:
        """Remove the journal: the store is complete, or will never be."""
        self.clear(self._folder)

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove the journal of a directory, if there is one."""
        shutil.rmtree(folder / FOLDER, ignore_errors=True)

    def _path(self, block: Block) -> Path:
        return self._journal / f"{block.name}.npz"

    def _read(self, block: Block, shape: tuple[int, ...]) -> BlockDone | None:
        """A block of the journal; None if it is not there or its files are not as they were."""
        if self._fingerprint is None:
            return None
        try:
            with (
                self._path(block).open("rb") as file,
                np.load(file, allow_pickle=False) as held,
            ):
                kept: dict[str, NDArray[np.generic]] = {key: held[key] for key in held.files}
            told = json.loads(bytes(kept["files"].astype(np.uint8)))
            files = {
                str(key): Entry(int(size), str(digest)) for key, (size, digest) in told.items()
            }
            missing = kept["missing"].astype(np.int32)
            counts = Counts(
                frames=int(kept["frames"]),
                missing=missing if missing.size else np.zeros(shape[-3:], np.int32),
                whole=kept["whole"].astype(np.int64),
                infinite=kept["infinite"].astype(np.int64),
                minimum=kept["minimum"].astype(np.float64),
                maximum=kept["maximum"].astype(np.float64),
            )
            for key, entry in files.items():
                path = self._folder / key
                if path.stat().st_size != entry.size or sha256(path) != entry.sha256:
                    return None
            return BlockDone(block, kept["valid"].astype(np.int32), counts, files)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None


def _text(fingerprint: str) -> str:
    return f"{_VERSION} {fingerprint}\n"


def _sparse(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Nothing for counts that are all zero, as they are where no cell is ever missing."""
    return counts if counts.any() else np.empty(0, np.int32)
