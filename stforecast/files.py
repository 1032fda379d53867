"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stforecast.errors import StForecastError


@contextmanager
def written_whole(path: Path, what: str) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its name at the end; folders are made.

    The ending stays the same. When the block fails nothing is left, and a file that was at `path`
    stays. StForecastError, naming `what` is written, when the system refuses.
    """
    beside = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:  # netCDF4 reports a full disk as RuntimeError
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["?"])[0]
        raise StForecastError(
            f"cannot write {what} {path}: {reason}; make room or choose another place"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def require_folder(folder: Path, what: str) -> None:
    """Make a folder that files can be written to, before the work that makes them.

    StForecastError, naming `what` is to be written, if it cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise StForecastError(
            f"{what} cannot be written to {folder}: a file is there; name a folder"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StForecastError(
            f"{what} cannot be written to {folder}: {reason}; choose another place"
        ) from error
