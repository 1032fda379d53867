"""The folder of a run: who may write it, and how a new run takes an old one's place.

A new run is built beside its folder and moved in once it has weights, so that the run before it is
there until then, and for good if the new one fails at its start.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

from stforecast.card import CARD, RunCard
from stforecast.errors import RunError
from stforecast.training.files import writing


class RunFolder:
    """A run's folder while it is being trained; `path` is where its files are at the moment."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder = folder
        self.path = path

    @classmethod
    def create(cls, folder: Path, replace: bool = False) -> "RunFolder":
        """A place to build a new run for `folder`.

        Raises:
            RunError: there is a run, and it is not to be replaced; or something that is no run;
                or the folder cannot be written.
        """
        folder = Path(os.path.abspath(folder))
        _mend(folder)
        _refuse_occupied(folder, replace)
        path = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            for stale in _beside(folder, "partial"):
                shutil.rmtree(stale, ignore_errors=True)
            path.mkdir()
        return cls(folder, path)

    @classmethod
    def reopen(cls, folder: Path) -> "RunFolder":
        """The folder of a run that is to go on; RunError where there is none."""
        folder = Path(os.path.abspath(folder))
        _mend(folder)
        if not (folder / CARD).is_file():
            raise RunError(f"there is no run to resume in {folder}; train it without --resume")
        with writing(folder):
            probe = folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        return cls(folder, folder)

    @property
    def in_place(self) -> bool:
        """Whether the run stands where it belongs."""
        return self.path == self.folder

    def settle(self) -> None:
        """Move the run to its folder; what stood there goes."""
        if self.in_place:
            return
        with writing(self.folder):
            if not self.folder.exists():
                os.rename(self.path, self.folder)
            else:
                old = self.folder.with_name(f".{self.folder.name}.old-{os.getpid()}")
                os.rename(self.folder, old)
                try:
                    os.rename(self.path, self.folder)
                except OSError:
                    os.rename(old, self.folder)
                    raise
                shutil.rmtree(old, ignore_errors=True)
        self.path = self.folder

    def look_again(self) -> None:
        """Another process may have moved the run to its folder."""
        if not self.path.exists():
            self.path = self.folder

    def abandon(self) -> None:
        """Remove what never got weights."""
        if not self.in_place:
            shutil.rmtree(self.path, ignore_errors=True)


def _refuse_occupied(folder: Path, replace: bool) -> None:
    if folder.is_file():
        raise RunError(f"{folder} is a file; a run needs a folder, choose another name")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / CARD).is_file():
        raise RunError(f"{folder} is not empty and holds no run; choose another name")
    if replace:
        return
    try:
        finished = RunCard.read(folder).training.finished
    except RunError:
        raise RunError(f"the run in {folder} is damaged; train it again with --replace") from None
    if finished:
        raise RunError(
            f"there is a finished run in {folder}; choose another name, or train it again with "
            "--replace"
        )
    raise RunError(
        f"there is an unfinished run in {folder}; go on with --resume, or start again with "
        "--replace"
    )


def _beside(folder: Path, what: str) -> list[Path]:
    """What processes that are gone left beside `folder`."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.{what}-(\d+)")
    found = []
    if folder.parent.is_dir():
        for path in folder.parent.iterdir():
            match = pattern.fullmatch(path.name)
            if match and not _alive(int(match[1])):
                found.append(path)
    return found


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # nothing of this process is under way when it asks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _mend(folder: Path) -> None:
    """A process that died between the two renames of :meth:`RunFolder.settle` left the old run."""
    for old in _beside(folder, "old"):
        with contextlib.suppress(OSError):
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(old, folder)
