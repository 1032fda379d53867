"""The folder of a run: who may write it, and how what is saved takes the place of what was.

Every save is a clone of the folder in which some files are new, and the clone takes the folder's
place in one step: at any moment the folder holds the files of one save. A new run is built beside
its folder in the same way until it has weights, so that the run before it is there until then,
and for good if the new one fails at its start.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stforecast import folders
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
        folder = Path(os.path.realpath(folder))
        folders.repair(folder)
        _refuse_occupied(folder, replace)
        path = folders.partial_beside(folder)
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folders.clear_leftovers(folder)
            path.mkdir()
        return cls(folder, path)

    @classmethod
    def reopen(cls, folder: Path) -> "RunFolder":
        """The folder of a run that is to go on; RunError where there is none."""
        folder = Path(os.path.realpath(folder))
        folders.repair(folder)
        if not (folder / CARD).is_file():
            raise RunError(f"there is no run to resume in {folder}; train it without --resume")
        with writing(folder):
            folders.clear_leftovers(folder)
            probe = folders.partial_beside(folder)  # a save needs room there
            probe.mkdir()
            probe.rmdir()
        return cls(folder, folder)

    @property
    def in_place(self) -> bool:
        """Whether the run stands where it belongs."""
        return self.path == self.folder

    @contextmanager
    def saving(self, *, settle: bool = True) -> Iterator[Path]:
        """The run's files to add to and to replace; they count when the block ends well.

        Files are replaced, never changed in place: until then they are those of the save before.

        settle: a new run takes its place; it stays beside it where it has no weights yet.

        Raises RunError when the system refuses to write.
        """
        if not self.in_place:
            yield self.path
            if settle:
                with writing(self.folder):
                    folders.swap(self.path, self.folder)
                self.path = self.folder
            return
        clone = folders.partial_beside(self.folder)
        try:
            with writing(self.folder):
                shutil.rmtree(clone, ignore_errors=True)
                folders.clone(self.folder, clone)
            yield clone
            with writing(self.folder):
                folders.swap(clone, self.folder)
        finally:
            shutil.rmtree(clone, ignore_errors=True)

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
