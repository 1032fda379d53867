"""`stforecast new`: where the experiment file goes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stforecast.cli.main import program
from tests.helpers import make_store


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, beside which there is nothing; it holds ``data.nc``."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    make_store(40).variables().to_netcdf("data.nc")
    return inside


def new(name: str) -> Result:
    return CliRunner().invoke(program, ["new", name, "--data", "data.nc"])


@pytest.mark.parametrize(
    ("name", "written", "data"),
    [
        ("rain", "rain.yaml", "data.nc"),
        ("rain.yml", "rain.yml", "data.nc"),
        ("studies/rain", "studies/rain.yaml", "../data.nc"),
        ("../rain", "../rain.yaml", "inside/data.nc"),
        ("my rain", "my rain.yaml", "data.nc"),
    ],
)
def test_a_name_may_begin_with_the_folder_of_the_file(name: str, written: str, data: str) -> None:
    result = new(name)
    assert result.exit_code == 0, result.output
    assert f"Experiment file: {written}\n" in result.stdout
    assert f"- {data}\n" in Path(written).read_text()
    quoted = f"'{written}'" if " " in written else written
    assert f"Next: stforecast ingest -c {quoted}\n" in result.stdout


@pytest.mark.parametrize(
    ("name", "example"),
    [("", "rain"), (".", "rain"), ("..", "rain"), ("studies/", "studies/rain"), (".yaml", "rain")],
)
def test_a_folder_alone_is_no_name(folder: Path, name: str, example: str) -> None:
    result = new(name)
    assert result.exit_code == 1
    assert f"{name!r} names no file; give the experiment a name, such as {example}" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["data.nc"]
