"""Progress on stderr: a bar on a terminal, nothing in a file or a pipe."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stforecast.cli.session import Session

Tell = Callable[[int, int], None]
"""Told how much is done, and of how much."""

News = Callable[[int, str], None]
"""Told how many parts are done, and what is being done now."""


@contextlib.contextmanager
def progress_bar(session: Session, what: str) -> Iterator[Tell | None]:
    """A bar for work that counts itself; None where nobody looks."""
    console = Console(stderr=True)
    if not (session.shows_progress and console.is_terminal):
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


@contextlib.contextmanager
def news_bar(session: Session, parts: int) -> Iterator[News]:
    """A bar for work of a few long parts, with words on what is being done."""
    console = Console(stderr=True)
    if not (session.shows_progress and console.is_terminal):
        yield lambda done, words: None
        return
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=parts)
        yield lambda done, words: bar.update(task, completed=done, description=words)
