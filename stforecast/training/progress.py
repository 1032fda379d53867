"""What the user sees while a model is trained: a bar on a terminal, a few lines elsewhere."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from stforecast.training.logs import Best, Row, number_words, score_words

Notify = Callable[[str], None]


class Reporter(Protocol):
    """Who is told how the training goes."""

    def notify(self, line: str) -> None:
        """One line of news."""

    def step(self, step: int, total: int | None, loss: float | None, rate: float) -> None:
        """A step is taken of `total`, if that is known yet."""

    def validated(self, row: Row, total: int | None, best: bool) -> None:
        """The run was scored."""

    def finish(self, best: Best | None) -> None:
        """The training has ended well; None where nothing was scored."""

    def close(self) -> None:
        """Nothing more comes, however it ended."""


class Lines:
    """Sparse lines: one per validation."""

    def __init__(self, notify: Notify | None, names: Sequence[str], units: Sequence[str | None]):
        self._notify = notify
        self._names, self._units = names, units

    def notify(self, line: str) -> None:
        if self._notify is not None:
            self._notify(line)

    def step(self, step: int, total: int | None, loss: float | None, rate: float) -> None:
        pass

    def validated(self, row: Row, total: int | None, best: bool) -> None:
        parts = [f"step {row.step}" + (f"/{total}" if total else "")]
        if row.train_loss is not None:
            parts.append(f"loss {row.train_loss:.4g}")
        scores = score_words(self._names, self._units, row)
        if scores:
            parts.append(f"validation RMSE {scores}" + (", best so far" if best else ""))
        self.notify("; ".join(parts))

    def finish(self, best: Best | None) -> None:
        scores = score_words(self._names, self._units, best) if best is not None else ""
        if best is not None and scores:
            self.notify(f"best weights, of step {best.step}: validation RMSE {scores}")

    def close(self) -> None:
        pass


class Bar:
    """Two lines on a terminal, and a table at the end."""

    VARIABLES = 2  # whose scores the lines show

    def __init__(
        self,
        notify: Notify | None,
        names: Sequence[str],
        units: Sequence[str | None],
        console: Console,
    ) -> None:
        self._notify = notify
        self._names, self._units = names, units
        self._console = console
        self._progress = _WithNews(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            _Steps(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("training", total=None)
        self._scores: list[str] = []
        self._progress.start()

    def notify(self, line: str) -> None:
        if self._notify is not None:
            self._notify(line)

    def step(self, step: int, total: int | None, loss: float | None, rate: float) -> None:
        told = [] if loss is None else [f"loss {number_words(loss)}"]
        self._progress.news = [*told, *self._scores, f"lr {rate:.1e}"]
        self._progress.update(self._task, completed=step, total=total)

    def validated(self, row: Row, total: int | None, best: bool) -> None:
        # A line holds few of them; the table at the end has all.
        few = list(zip(self._names, self._units, strict=True))[: self.VARIABLES]
        scores = [score_words([name], [unit], row) for name, unit in few]
        self._scores = [f"RMSE {words}" for words in scores if words]

    def finish(self, best: Best | None) -> None:
        self._progress.stop()
        if best is None:
            return
        table = Table(title=f"validation RMSE of the best weights (step {best.step})")
        for column in ("variable", "units", "model", "persistence", "skill"):
            table.add_column(column, justify="left" if column in ("variable", "units") else "right")
        for name, unit in zip(self._names, self._units, strict=True):
            score, reference = best.rmse.get(name), best.persistence_rmse.get(name)
            skill = None if score is None or not reference else 1 - score / reference
            table.add_row(name, unit or "", _number(score), _number(reference), _number(skill))
        self._console.print(table)

    def close(self) -> None:
        self._progress.stop()


def make_reporter(
    show: bool, notify: Notify | None, names: Sequence[str], units: Sequence[str | None]
) -> Reporter:
    """A bar where `show` and standard error is a terminal, else lines through `notify`."""
    console = Console(stderr=True)
    if show and console.is_terminal:
        return Bar(notify, names, units, console)
    return Lines(notify, names, units)


class _WithNews(Progress):
    """A bar, and below it the news: as many as the terminal has room for, none of them cut."""

    news: Sequence[str] = ()  # the most important first

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        line = ""
        for part in self.news:
            longer = f"{line}, {part}" if line else part
            if len(longer) <= self.console.width:
                line = longer
        if line:
            yield Text(line, no_wrap=True)


class _Steps(ProgressColumn):
    """Steps done and in all; only the former while a time is not yet turned into steps."""

    def render(self, task: Task) -> Text:
        total = "…" if task.total is None else f"{int(task.total)}"
        return Text(f"step {int(task.completed)}/{total}")


def _number(value: float | None) -> str:
    return "–" if value is None else number_words(value)
