"""Covariates in experiment files: their kinds, their mistakes, and where their files lie."""

from pathlib import Path

import pytest

from stforecast.config import load_experiment
from stforecast.errors import ConfigError
from stforecast.options import WindowOptions
from stforecast.options.covariates import FileCovariate, HolidayCovariate

TEXT = """\
windows:
  covariates:
    - calendar: [hour]
    - {file: weather.csv, columns: rain}
    - {file: 'package:demo/plan.csv', known: future}
    - holidays: {file: lists/BJ_Holiday.txt}
    - sun: elevation
"""


def test_files_are_relative_to_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "x.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    _, weather, plan, holidays, _ = load_experiment("study/x.yaml").experiment.windows.covariates
    assert isinstance(weather, FileCovariate)
    assert (weather.file, weather.columns, weather.known) == ("study/weather.csv", ["rain"], None)
    assert isinstance(plan, FileCovariate)
    assert plan.file == "package:demo/plan.csv"
    assert isinstance(holidays, HolidayCovariate)
    assert holidays.holidays.file == "study/lists/BJ_Holiday.txt"


@pytest.mark.parametrize(
    "override",
    [
        "windows.covariates.1.file=new.csv",
        "windows.covariates=[{calendar: hour}, {file: new.csv}]",
    ],
)
def test_files_on_the_command_line_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "x.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    loaded = load_experiment("study/x.yaml", [override]).experiment.windows.covariates[1]
    assert isinstance(loaded, FileCovariate)
    assert Path(loaded.file).resolve() == tmp_path / "new.csv"


def test_short_forms() -> None:
    options = WindowOptions(
        covariates=[{"holidays": "US"}, {"sun": "elevation"}, {"grid": "row"}, {"calendar": "hour"}]
    )
    holidays, sun, grid, calendar = options.covariates
    assert holidays.holidays.country == "US"
    assert (sun.sun, grid.grid, calendar.calendar) == (["elevation"], ["row"], ["hour"])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("{holyday: US}", "did you mean windows.covariates.0.holidays?"),
        ("{file: w.csv, colums: rain}", "did you mean windows.covariates.0.columns?"),
        ("{file: w.csv, known: futur}", "did you mean future?"),
        ("{sun: elevaton}", "did you mean elevation?"),
        ("{holidays: {subdivision: NY}}", "give one of them"),
        ("{holidays: {file: a.txt, subdivision: NY}}", "a subdivision goes with its country"),
        ("{columns: rain}", "windows.covariates.0.columns is not an option"),
        ("{file: 3}", "windows.covariates.0.file is 3; it must be text"),
        ("{grid: [height]}", "windows.covariates.0.grid.0 is height"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, item: str, words: str) -> None:
    (tmp_path / "x.yaml").write_text(f"windows:\n  covariates:\n    - {item}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(tmp_path / "x.yaml")
    assert words in str(caught.value)
    assert "line 3" in str(caught.value)
