"""Directories that are replaced whole: what lies beside them, and who may take it over."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stforecast import folders
from stforecast.errors import StoreError
from stforecast.store.commit import replaced

HOST = socket.gethostname()


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def left(path: Path, owner: str, kind: str = "partial", age: float = 0) -> Path:
    folder = path.with_name(f".{path.name}.{kind}-{owner}")
    folder.mkdir()
    (folder / "file").write_text(owner)
    for name in (folder / "file", folder):
        os.utime(name, (os.stat(name).st_atime, os.stat(name).st_mtime - age))
    return folder


class TestLeftovers:
    def test_who_is_alive(self, tmp_path, dead):
        path = tmp_path / "a.zarr"
        start = folders._start_of(os.getppid())
        owners = {
            f"{dead}@{HOST}": False,
            f"{dead}.123@{HOST}": False,
            f"0@{HOST}": False,
            f"{os.getppid()}@{HOST}": True,
            f"{os.getppid()}.{start}@{HOST}": True,
            f"{os.getppid()}.1{start}@{HOST}": False,  # another process had that number
            f"{dead}@elsewhere": True,
        }
        for owner in owners:
            left(path, owner)
        left(path, f"{dead}@long-ago", age=3600)
        found = {each.path.name.partition("partial-")[2]: each for each in folders.leftovers(path)}
        assert {owner: each.alive for owner, each in found.items()} == owners | {
            f"{dead}@long-ago": False
        }
        assert {each.kind for each in found.values()} == {"partial"}
        folders.clear_leftovers(path)
        assert {each.alive for each in folders.leftovers(path)} == {True}

    def test_there_are_none_of_another_name(self, tmp_path, dead):
        left(tmp_path / "a.zarr", f"{dead}@{HOST}")
        assert folders.leftovers(tmp_path / "b.zarr") == []
        assert folders.leftovers(tmp_path / "no folder/b.zarr") == []


class TestAdopt:
    def test_the_newest_that_fits_is_taken_over(self, tmp_path, dead):
        path = tmp_path / "a.zarr"
        old = left(path, f"{dead}.1@{HOST}", age=50)
        left(path, f"{dead}.2@{HOST}", age=20)
        newest = left(path, f"{dead}.3@{HOST}", age=10)
        alive = left(path, f"{os.getppid()}@{HOST}")
        taken = folders.adopt(path, lambda folder: folder != newest)
        assert taken == folders.partial_beside(path)
        assert (taken / "file").read_text() == f"{dead}.2@{HOST}"
        assert all(folder.exists() for folder in (old, newest, alive))

    def test_nothing_fits(self, tmp_path, dead):
        path = tmp_path / "a.zarr"
        left(path, f"{dead}@{HOST}")
        left(path, f"{dead}.1@{HOST}", "previous")
        assert folders.adopt(path, lambda folder: False) is None
        assert len(list(tmp_path.iterdir())) == 2

    def test_what_is_released_is_adopted_by_the_same_process(self, tmp_path):
        path = tmp_path / "a.zarr"
        for text in ("first", "second"):
            own = folders.partial_beside(path)
            own.mkdir()
            (own / "file").write_text(text)
            folders.release(own, path)
        assert len(list(tmp_path.iterdir())) == 1
        taken = folders.adopt(path, lambda folder: True)
        assert taken is not None
        assert (taken / "file").read_text() == "second"


class TestReplacedResumes:
    @staticmethod
    def write(path: Path, fail: bool, resume=lambda folder: (folder / "journal").exists()) -> str:
        """Add a line to a journal; when all goes well the journal becomes the text."""
        with replaced(
            path, what="a text", overwrite=True, ours=lambda there: True, resume=resume
        ) as folder:
            with (folder / "journal").open("a") as file:
                file.write("x")
            if fail:
                raise OSError(28, "No space left on device")
            (folder / "journal").rename(folder / "text")
        return (path / "text").read_text()

    def test_a_try_that_failed_is_gone_on_with(self, tmp_path):
        path = tmp_path / "a"
        for _ in range(2):
            with pytest.raises(StoreError, match=r"cannot write a text .*no space left"):
                self.write(path, fail=True)
        assert self.write(path, fail=False) == "xxx"
        assert os.listdir(tmp_path) == ["a"]
        assert self.write(path, fail=False) == "x"  # the old one is not what is resumed

    def test_what_does_not_fit_goes(self, tmp_path):
        path = tmp_path / "a"
        with pytest.raises(StoreError):
            self.write(path, fail=True)
        assert self.write(path, fail=False, resume=lambda folder: False) == "x"
        assert os.listdir(tmp_path) == ["a"]

    def test_nothing_is_left_where_nobody_resumes(self, tmp_path):
        with pytest.raises(StoreError):
            self.write(tmp_path / "a", fail=True, resume=None)
        assert os.listdir(tmp_path) == []
