"""Progress on stderr: a bar on a terminal, nothing in a file or a pipe."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from stforecast.cli.session import Session

Tell = Callable[[int, int], None]
"""Told how much is done, and of how much."""


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
