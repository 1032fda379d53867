"""What is missing in a record, told of each channel."""

from collections.abc import Sequence

from stforecast.errors import DataError
from stforecast.ingest.findings import Cells
from stforecast.store.counts import Counts


def cells(channels: Sequence[str], counts: Counts) -> list[Cells]:
    """What was counted of each channel, absent times left out.

    DataError when a channel has no value at all.
    """
    found = []
    for index, name in enumerate(channels):
        missing, whole = counts.missing[index], int(counts.whole[index])
        never = missing == counts.frames
        if never.all():
            raise DataError(
                f"all values of {name} are missing; leave it out of data.variables or check "
                "the files"
            )
        sometimes = ~never & (missing > whole)
        lacking = int((missing[sometimes] - whole).sum())
        total = int(sometimes.sum()) * counts.frames
        found.append(
            Cells(
                name=name,
                size=missing.size,
                never=int(never.sum()),
                sometimes=int(sometimes.sum()),
                share=lacking / total if total else 0.0,
                whole=whole,
                infinite=int(counts.infinite[index]),
                minimum=float(counts.minimum[index]),
                maximum=float(counts.maximum[index]),
            )
        )
    return found
