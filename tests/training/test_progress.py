"""What the user sees."""

import io

import pytest
from rich.console import Console

from stforecast.errors import RunError
from stforecast.training.logs import Best, Row, score_words
from stforecast.training.progress import Bar, Lines, make_reporter
from tests.training.conftest import Trainer

ROW = Row(
    step=40,
    epoch=1.5,
    learning_rate=1e-3,
    seconds=12.0,
    train_loss=0.25,
    validation_loss=0.3,
    validation_mse=0.3,
    rmse={"t2m": 1.5, "pr": None},
    persistence_rmse={"t2m": 3.0, "pr": None},
)
BEST = Best(ROW.step, ROW.rmse, ROW.persistence_rmse)
NAMES, UNITS = ["t2m", "pr"], ["K", "mm"]


def test_words() -> None:
    assert score_words(NAMES, UNITS, ROW) == "t2m 1.500 K (persistence 3.000)"
    assert score_words(NAMES, ["1", None], ROW) == "t2m 1.500 (persistence 3.000)"


def test_lines() -> None:
    lines: list[str] = []
    reporter = Lines(lines.append, NAMES, UNITS)
    reporter.step(1, None, None, 1e-3)
    reporter.validated(ROW, 100, True)
    reporter.validated(Row(80, 3, 1e-3, 24.0, train_loss=0.2), None, False)
    reporter.finish(BEST)
    assert lines == [
        "step 40/100; loss 0.25; validation RMSE t2m 1.500 K (persistence 3.000), best so far",
        "step 80; loss 0.2",
        "best weights, of step 40: validation RMSE t2m 1.500 K (persistence 3.000)",
    ]


def test_bar() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=160, color_system=None)
    bar = Bar(None, NAMES, UNITS, console)
    bar.step(1, None, None, 1e-3)
    bar.step(40, 100, 0.25, 1e-3)
    bar.validated(ROW, 100, True)
    bar.step(41, 100, 0.24, 9e-4)
    bar.finish(BEST)
    bar.close()
    shown = stream.getvalue()
    assert "step 41/100" in shown
    assert "loss 0.2400, RMSE t2m 1.500 K (persistence 3.000), lr 9.0e-04" in shown
    table = shown[shown.index("validation RMSE of the best weights (step 40)") :]
    assert all(
        word in table for word in ("t2m", "1.500", "3.000", "0.5000", "persistence", "skill")
    )


@pytest.mark.parametrize("width", [64, 100])
def test_a_narrow_terminal_cuts_no_words(width: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None)
    names = ["surface_temperature", "precipitation_flux"]
    bar = Bar(None, names, ["K", "kg m-2 s-1"], console)
    row = Row(40, 1.5, 1e-3, 12.0, rmse=dict.fromkeys(names, 1.5))
    bar.validated(row, 100_000, True)
    bar.step(12_345, 100_000, 0.24, 9e-4)
    bar.close()
    shown = stream.getvalue()
    assert "…" not in shown.replace("step 0/…", "")  # no total yet
    assert ("loss 0.2400, RMSE surface_temperature 1.500 K, lr 9.0e-04" in shown) == (width == 64)


def test_a_bar_needs_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_reporter(True, None, NAMES, UNITS), Lines)
    monkeypatch.setattr(Console, "is_terminal", property(lambda self: True))
    bar = make_reporter(True, None, NAMES, UNITS)
    assert isinstance(bar, Bar)
    bar.close()
    assert isinstance(make_reporter(False, None, NAMES, UNITS), Lines)


def test_a_bar_shows_few_variables_and_its_table_all() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=160, color_system=None)
    names = [f"v{i}" for i in range(5)]
    row = Row(
        9, 1, 1e-3, 1.0, rmse={n: 1.0 for n in names}, persistence_rmse={n: 2.0 for n in names}
    )
    bar = Bar(None, names, [None] * 5, console)
    bar.validated(row, 10, True)
    bar.step(10, 10, 0.5, 1e-3)
    bar.finish(Best(9, row.rmse, row.persistence_rmse))
    line, table = stream.getvalue().split("validation RMSE of the best weights")
    assert "v1" in line
    assert "v2" not in line
    assert "v4" in table


def test_a_failed_training_gives_the_terminal_back(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(Lines, "close", lambda self: closed.append(1))
    with pytest.raises(RunError):
        trainer(learning_rate=1e30, gradient_clip=None, schedule="constant", validations=1)
    assert closed == [1]
