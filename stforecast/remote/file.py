"""A file at an address, read in blocks that are kept for a while."""

import errno
import gc
import io
import threading
from collections import OrderedDict
from typing import Any

from stforecast.remote.path import RemotePath

_BLOCK = 4 * 2**20
# Bytes of the blocks that all open files keep together.
_LIMIT = 64 * 2**20


class _Blocks:
    """The blocks that were read last, of all files."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            block = self._kept.get(key)
            if block is not None:
                self._kept.move_to_end(key)
            return block

    def keep(self, key: tuple[str, int], block: bytes) -> None:
        with self._lock:
            self._bytes += len(block) - len(self._kept.pop(key, b""))
            self._kept[key] = block
            while self._bytes > _LIMIT:
                self._bytes -= len(self._kept.popitem(last=False)[1])


_BLOCKS = _Blocks()


class RemoteFile(io.RawIOBase):
    """A file on another machine that can be read at any place.

    Blocks of 4 MiB are fetched, neighbouring ones in one request, and at most 64 MiB are kept in
    all. Can be sent to another process, which opens it anew. Raises OSError, also for a file that
    got another size since it was opened.
    """

    def __init__(self, path: RemotePath) -> None:
        super().__init__()
        told = path.told
        if told.size is None:
            raise OSError(errno.EIO, "the server does not tell how long the file is")
        self._path = path
        self._size = told.size
        self._identity = f"{path.url} {told.tag} {told.changed} {told.size}"
        self._at = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFile, (self._path,)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; ValueError before the first byte."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the start of the file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes; gives their number."""
        view = memoryview(buffer).cast("B")
        start, stop = self._at, min(self._at + len(view), self._size)
        if stop <= start:
            return 0
        # HDF5 reads under a lock that freeing one of its objects takes too. Were rubbish collected
        # in the thread that fetches, the two would wait for each other.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._fill(view, start, stop)
        finally:
            if collecting:
                gc.enable()
        self._at = stop
        return stop - start

    def _fill(self, view: memoryview, start: int, stop: int) -> None:
        first, last = start // _BLOCK, (stop - 1) // _BLOCK
        numbers = range(first, last + 1)
        kept = {number: _BLOCKS.get((self._identity, number)) for number in numbers}
        blocks = {number: block for number, block in kept.items() if block is not None}
        missing = [number for number in numbers if number not in blocks]
        for run in _runs(missing):
            low, high = run[0] * _BLOCK, min((run[-1] + 1) * _BLOCK, self._size)
            content = self._path.read_bytes(low, high)
            if len(content) != high - low:
                raise OSError(errno.EIO, "the file got shorter while it was read; get it again")
            for number in run:
                block = content[number * _BLOCK - low : (number + 1) * _BLOCK - low]
                blocks[number] = block
                _BLOCKS.keep((self._identity, number), block)
        for number, block in blocks.items():
            low = max(start, number * _BLOCK)
            high = min(stop, number * _BLOCK + len(block))
            view[low - start : high - start] = block[low - number * _BLOCK : high - number * _BLOCK]


def _runs(numbers: list[int]) -> list[list[int]]:
    """Neighbouring numbers together."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
