"""How long a file of the classic NetCDF formats must be: the library reads zeros beyond its end."""

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

# Bytes of each external type, by its number (CDF-5 has all of them).
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_STREAMING = {4: 0xFFFFFFFF, 8: 0xFFFFFFFFFFFFFFFF}


def missing_bytes(path: Path) -> int:
    """How many bytes a NetCDF file of format CDF-1, CDF-2 or CDF-5 lacks; 0 if it is whole.

    ValueError for a header that cannot be read, as when the end of the file lies within it. See
    the grammar in the NetCDF Classic Format Specification.
    """
    with path.open("rb") as file:
        try:
            end = _Header(file).end()
        except struct.error:
            raise ValueError("its header is cut off") from None
        except (IndexError, OverflowError):  # dimensions that are not there, sizes beyond numbers
            raise ValueError("its header makes no sense") from None
    return max(0, end - path.stat().st_size)


class _Header:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        version = file.read(4)[3]
        self._count_bytes = 8 if version == 5 else 4
        self._offset_bytes = 4 if version == 1 else 8

    def end(self) -> int:
        """Offset of the first byte after the data."""
        records = self._count()
        if records == _STREAMING[self._count_bytes]:
            records = 0
        lengths = self._dimensions()
        self._skip_attributes()
        end = 0
        starts: list[int] = []
        sizes: list[int] = []
        for dims, each, begin in self._variables():
            if dims and lengths[dims[0]] == 0:  # the record dimension
                starts.append(begin)
                sizes.append(each * math.prod(lengths[dim] for dim in dims[1:]))
            else:
                end = max(end, begin + each * math.prod(lengths[dim] for dim in dims))
        if records and starts:
            # a lone record variable is not padded to four bytes
            padded = [-(-size // 4) * 4 for size in sizes] if len(sizes) > 1 else sizes
            last = max(start + size for start, size in zip(starts, sizes, strict=True))
            end = max(end, last + (records - 1) * sum(padded))
        return end

    def _number(self, size: int) -> int:
        return int(struct.unpack(">I" if size == 4 else ">Q", self._file.read(size))[0])

    def _count(self) -> int:
        return self._number(self._count_bytes)

    def _list(self, expected: int) -> int:
        """The number of elements of a list."""
        tag, count = self._number(4), self._count()
        if tag not in (0, expected) or (tag == 0 and count):
            raise ValueError("its header makes no sense")
        return count

    def _skip(self, size: int) -> None:
        end = self._file.tell() + -(-size // 4) * 4
        if end > self._size:
            raise ValueError("its header is cut off")
        self._file.seek(end)

    def _dimensions(self) -> list[int]:
        lengths = []
        for _ in range(self._list(_DIMENSIONS)):
            self._skip(self._count())
            lengths.append(self._count())
        return lengths

    def _skip_attributes(self) -> None:
        for _ in range(self._list(_ATTRIBUTES)):
            self._skip(self._count())
            kind = self._number(4)
            self._skip(_BYTES.get(kind, 1) * self._count())

    def _variables(self) -> list[tuple[list[int], int, int]]:
        """Dimensions, bytes of a value and offset of each variable."""
        found = []
        for _ in range(self._list(_VARIABLES)):
            self._skip(self._count())
            dims = [self._count() for _ in range(self._count())]
            self._skip_attributes()
            kind = self._number(4)
            self._count()  # the size as written, which overflows for large variables
            found.append((dims, _BYTES.get(kind, 1), self._number(self._offset_bytes)))
        return found
