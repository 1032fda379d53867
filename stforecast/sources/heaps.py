"""Whether the heaps of an HDF5 file, which hold texts and references, are put together rightly.

In one that is damaged the HDF5 library may go round in circles for ever, in a loop that nothing in
the process can end: so a heap is looked through before the library sees it. See "Global Heap" in
the HDF5 File Format Specification.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from stforecast.errors import DataError

_SIGNATURE = b"GCOL\x01\x00\x00\x00"
# Bytes at the start and at the end of a file in which heaps are looked for: what describes a file
# lies there, and values in between are many.
_EDGE = 16 * 2**20
# Of a heap and of each object in it; the sizes of objects follow at byte 8 of their heads.
_HEAD = 16


def check_heaps(path: Path, label: str) -> None:
    """DataError, naming `label`, if a heap at the start or end of a file would stop the library."""
    if path.stat().st_size == 0:
        return
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for start in _heaps(content):
            if not _ends(content, start):
                raise DataError(f"{label} is broken in its heap at byte {start}; get it again")


def _heaps(content: mmap.mmap) -> Iterator[int]:
    size = len(content)
    for first, last in ((0, min(_EDGE, size)), (max(_EDGE, size - _EDGE), size)):
        at = content.find(_SIGNATURE, first, last)
        while at >= 0:
            yield at
            at = content.find(_SIGNATURE, at + 1, last)


def _ends(content: mmap.mmap, start: int) -> bool:
    """Whether going from object to object, as the library does, leads out of the heap."""
    stop = min(start + int.from_bytes(content[start + 8 : start + 16], "little"), len(content))
    at = start + _HEAD
    while at + _HEAD <= stop:
        number = int.from_bytes(content[at : at + 2], "little")
        size = int.from_bytes(content[at + 8 : at + 16], "little")
        if number == 0:  # free space, whose size is that of its head too
            if size < _HEAD:
                return False
            at += size
        else:
            at += _HEAD + -(-size // 8) * 8
    return True
