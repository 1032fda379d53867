"""What a check of a store found, in words."""

from dataclasses import dataclass, field

from stforecast.remote import Location


@dataclass(frozen=True)
class Problem:
    """Something of a store that is not as it was written."""

    part: str
    """The file, by its key in the manifest, or the array."""
    fault: str
    covers: str = ""
    """The times, and sequences, that are in it."""

    def __str__(self) -> str:
        return f"{self.part} {self.fault}" + (f": {self.covers}" if self.covers else "")


@dataclass
class Checkup:
    """What a check of a store found. It is true when the store is whole."""

    path: Location
    quick: bool = False
    problems: list[Problem] = field(default_factory=list)
    sources: list[Problem] = field(default_factory=list)
    """Files that the store was made of and that are no longer as they were."""
    must_have_sources: bool = False
    notes: list[str] = field(default_factory=list)
    """What does not break the store: leftovers of writes that did not end, strange files."""
    files: int = 0
    size: int = 0
    """Bytes of the files in the manifest."""
    shards: int = 0
    empty: int = 0
    """Shards of the data that have a file, and those without as all their values are missing."""
    span: str = ""
    """The times of the record."""

    def __bool__(self) -> bool:
        return not (self.problems or (self.must_have_sources and self.sources))

    @property
    def sentence(self) -> str:
        """What is wrong, and the remedy; nothing for a store that is whole."""
        if self:
            return ""
        if not self.problems:
            more = f" and {len(self.sources) - 1} more" if len(self.sources) > 1 else ""
            return (
                f"the store {self.path} is whole, but not all that it was made of is as it was "
                f"({self.sources[0]}{more}); bring these files back, or make the store anew with "
                "stforecast ingest --overwrite"
            )
        more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return (
            f"the store {self.path} is broken ({self.problems[0]}{more}); bring back what is named "
            "from a copy, or make the store anew with stforecast ingest --overwrite"
        )

    @property
    def summary(self) -> str:
        """What was looked at."""
        read = "present" if self.quick else "read and counted"
        empty = f", {self.empty} without values" if self.empty else ""
        state = "broken" if self.problems else "whole"
        shards = f"{self.shards} shard{'' if self.shards == 1 else 's'}"
        return (
            f"{self.path} is {state}: {self.files} files of {self.size:,} bytes, {shards} "
            f"{read}{empty}, {self.span}"
        )
