"""What a page is made of: sections of figures and tables."""

from dataclasses import dataclass, field
from typing import Final

from stforecast.report.cells import Table
from stforecast.report.subject import Subject

MOST_DRAWN: Final = 4
"""Variables that figures are drawn of; tables have all."""


@dataclass(frozen=True)
class Figure:
    """A figure: an ``svg`` element or the address of a picture, what it shows, and in words."""

    caption: str
    alt: str
    svg: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, what to know first, then figures and tables."""

    key: str
    title: str
    words: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    terms: tuple[str, ...] = ()


def drawn(subject: Subject) -> list[str]:
    """The variables of figures."""
    return subject.results.variables[:MOST_DRAWN]
