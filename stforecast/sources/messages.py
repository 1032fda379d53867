"""Whether the messages of a GRIB file are put together as they must be.

ecCodes passes over what is cut off, and some messages that are broken bring it down, and the whole
process with it: so what the lengths within a message tell is checked before it sees one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stforecast.errors import DataError

_CHUNK = 1 << 16
_END = b"7777"
_HEAD = {1: 8, 2: 16}
# A message of edition 1 from this length on counts otherwise; ecCodes knows how.
_LONG = 0x800000


def check_messages(path: Path, label: str) -> None:
    """DataError, naming `label`, if a message is cut off or its sections do not make it up."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start, length, edition in _messages(file):
            if start + length > size:
                raise DataError(
                    f"{label} is truncated: its message at byte {start} has {length} bytes, of "
                    f"which {size - start} are there; get it again"
                )
            sections = _sections_1 if edition == 1 else _sections_2
            if not sections(file, start + _HEAD[edition], start + length - len(_END)):
                raise DataError(f"{label} is broken in its message at byte {start}; get it again")


def _messages(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Where the messages of a file begin, how long they say that they are, and their edition."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(_CHUNK)
        start = head.find(b"GRIB")
        if start < 0:
            if len(head) < _CHUNK:
                return
            position += _CHUNK - 3
            continue
        position += start
        file.seek(position)
        head = file.read(16)
        if len(head) < 16:
            yield position, 16, 2  # a message is longer than its first section
            return
        edition = head[7]
        length = int.from_bytes(head[4:7] if edition == 1 else head[8:16], "big")
        if edition not in _HEAD or (edition == 1 and length >= _LONG):
            return
        length = max(length, _HEAD[edition] + len(_END))
        yield position, length, edition
        position += length


def _sections_2(file: BinaryIO, position: int, end: int) -> bool:
    """Whether sections of edition 2 follow one another, in their order, up to the end."""
    before = 0
    while position < end:
        file.seek(position)
        head = file.read(5)
        length, number = int.from_bytes(head[:4], "big"), head[4] if len(head) == 5 else 0
        # fields share what lies before them: after one comes another grid, product or end
        follows = number == before + 1 or (before, number) in ((1, 3), (7, 2), (7, 3), (7, 4))
        if length < 5 or not follows:
            return False
        before = number
        position += length
    file.seek(end)
    return position == end and before == 7 and file.read(len(_END)) == _END


def _sections_1(file: BinaryIO, position: int, end: int) -> bool:
    """Whether the sections of edition 1 that a message tells of make it up."""
    file.seek(position)
    flags = file.read(8)[7:]
    if not flags:
        return False
    count = 2 + bool(flags[0] & 0x80) + bool(flags[0] & 0x40)
    for _ in range(count):
        file.seek(position)
        length = int.from_bytes(file.read(3), "big")
        if length < 6 or position + length > end:
            return False
        position += length
    file.seek(end)
    return position == end and file.read(len(_END)) == _END
