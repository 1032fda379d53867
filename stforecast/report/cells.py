"""Tables of a report before they are drawn: plain text in cells."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """Text, and what stands out about it: ``best`` of its row, or ``loses`` to the reference."""

    text: str
    mark: str = ""
    below: str = ""
    """A second, smaller line, such as an interval."""


@dataclass(frozen=True)
class Table:
    """Columns with a heading of one or two lines; ``total`` says that the last row is of all."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[Cell]]
    total: bool = False
    notes: list[str] = field(default_factory=list)
