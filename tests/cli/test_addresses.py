"""Commands that are given addresses in place of paths."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stforecast.cli.main import program
from tests.ingest import zoo
from tests.remote.servers import served


def run(*words: str) -> Result:
    return CliRunner().invoke(program, list(words))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    zoo.geographic(zoo.np.arange(4.0), zoo.np.arange(5.0)).to_netcdf(tmp_path / "record.nc")
    return tmp_path


def test_from_a_web_server_to_a_bucket(folder, s3):
    store = f"{s3}/commands/store.zarr"
    with served(folder) as server:
        address = server.url.replace("//", "//me:word@") + "/record.nc?token=hidden"
        told = run("ingest", address, "-o", store)
    assert told.exit_code == 0, told.output
    assert f"Store: {store}" in told.output
    shown = run("info", store)
    assert shown.exit_code == 0, shown.output
    assert store in shown.output.replace("\n", "")
    assert "5 from 2020-01-01" in shown.output
    for hidden in ("word", "hidden"):
        assert hidden not in told.output + shown.output
    again = run("ingest", "record.nc", "-o", store, "--overwrite")
    assert again.exit_code == 1
    assert "icechunk" in again.output
    more = run("ingest", "record.nc", "-o", store, "--append")
    assert more.exit_code == 1
    assert "icechunk" in more.output


def test_an_experiment_of_addresses(folder, s3):
    (folder / "there").mkdir()
    with served(folder) as server:
        (folder / "there" / "study.yaml").write_text(
            f"name: far\ndata:\n  files: {server.url}/*.nc\n  store: {s3}/study/store.zarr\n"
        )
        told = run("ingest", "-c", "there/study.yaml")
        assert told.exit_code == 0, told.output
        changed = f"data.files={server.url}/none.nc"
        told = run("ingest", "-c", "there/study.yaml", "-o", "here.zarr", "--set", changed)
    assert told.exit_code == 1
    assert "none.nc" in told.output


@pytest.mark.parametrize(
    "words",
    [
        ("ingest", "http://127.0.0.1:9/a.nc"),
        ("info", "http://127.0.0.1:9/store.zarr"),
        ("info", "s3://nobody-has-this/store.zarr"),
        ("ingest", "record.nc", "-o", "s3://nobody-has-this/store.zarr"),
        ("ingest", "record.nc", "-o", "https://127.0.0.1:9/store.zarr"),
    ],
)
def test_what_cannot_be_reached_is_told_in_a_sentence(folder, s3, words):
    told = run(*words)
    assert told.exit_code == 1
    assert "Traceback" not in told.output
    assert isinstance(told.exception, SystemExit)
