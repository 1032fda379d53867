"""One call of the command line: how much it says, and how it tells what went wrong."""

import contextlib
import errno
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import click
from rich.console import Console
from rich.logging import RichHandler

from stforecast.errors import Interrupted, StForecastError, StForecastWarning

INTERRUPTED = 130
_WIDTH_OF_FILES = 120


@dataclass
class Session:
    """How one call of the command line talks: results on stdout, everything else on stderr."""

    debug: bool = False
    verbosity: int = 0
    """-1 quiet, 0 as usual, 1 verbose."""

    def say(self, text: str) -> None:
        """A line of the result's surroundings, which --quiet leaves out."""
        if self.verbosity >= 0:
            click.echo(text)

    def note(self, text: str) -> None:
        """A line about how it goes, on stderr."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    @property
    def shows_progress(self) -> bool:
        return self.verbosity >= 0

    def show(self, renderable: Any) -> None:
        """A rich table on stdout; in a file or a pipe it has room for its columns."""
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=_WIDTH_OF_FILES)
        console.print(renderable)

    def set_logging(self) -> None:
        """Messages of the package, and with --debug of all libraries, on stderr."""
        if self.verbosity > 0 or self.debug:
            handler = RichHandler(console=Console(stderr=True), show_path=False)
            logger = logging.getLogger(None if self.debug else "stforecast")
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG if self.debug else logging.INFO)


def guarded(work: Callable[[Session], Any]) -> int:
    """Do the work of one call; whatever goes wrong becomes one sentence and an exit status."""
    session = Session()
    try:
        with _one_line_warnings(session):
            status = work(session)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail(session, "interrupted; what was complete before is kept", INTERRUPTED)
    except Interrupted as error:
        return _fail(session, str(error), INTERRUPTED)
    except StForecastError as error:
        return _fail(session, str(error))
    except BrokenPipeError:
        _hush()
        return 1
    except OSError as error:
        return _fail(session, os_error_sentence(error))
    except MemoryError:
        return _fail(session, "not enough memory; choose a smaller region, period or batch size")
    except Exception as error:
        return _fail(session, _unexpected(error, session))


def os_error_sentence(error: OSError) -> str:
    """What the operating system refused, as one sentence with a remedy."""
    name = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f", so{name} cannot be written" if name else ""
        return f"the disk is full{place}; free some space or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to use{name or ' a file'}; choose another place or change its rights"
    if error.errno == errno.ENOENT:
        return f"there is no file{name}"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"a file is where a folder should be:{name}"
    if error.errno == errno.EISDIR:
        return f"a folder is where a file should be:{name}"
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{reason}:{name}" if name else reason


def _fail(session: Session, sentence: str, status: int = 1) -> int:
    if session.debug:
        traceback.print_exc(file=sys.stderr)
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"Error: {sentence}", err=True)
    return status


def _unexpected(error: Exception, session: Session) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    hint = "" if session.debug else "; --debug shows where it happened"
    return f"unexpected {what}{hint}"


def _hush() -> None:
    """The reader of a pipe is gone: what is still buffered has nowhere to go."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.close()


@contextlib.contextmanager
def _one_line_warnings(session: Session) -> Iterator[None]:
    """Warnings for the user as one line each; those of libraries only when asked to be verbose."""
    told: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        if issubclass(category, StForecastWarning):
            if text not in told:
                told.add(text)
                click.echo(f"Warning: {text}", err=True)
        elif session.verbosity > 0 or session.debug:
            click.echo(f"{category.__name__}: {text} ({filename}:{lineno})", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", StForecastWarning)
        warnings.showwarning = show
        yield
