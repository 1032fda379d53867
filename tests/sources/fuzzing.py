"""Reading files that may be hostile, in a process that may die of them.

Run as a program it is that process: it has imported everything, and forks a child that reads one
file after another until one of them kills it.
"""

import json
import os
import resource
import select
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.served import Served, requests

# Seconds of silence after which a child counts as hung; the machine may be busy.
PATIENCE = 60
# Bytes that a child may take on top of what it starts with.
ROOM = 2 * 2**30


@dataclass(frozen=True)
class Outcome:
    """How reading a file ended: read, refused (with a sentence), raised, crashed or hung."""

    kind: str
    text: str = ""

    @property
    def is_clean(self) -> bool:
        return self.kind == "read" or (
            self.kind == "refused" and bool(self.text) and "\n" not in self.text
        )


class Reader(Served):
    """Reads files in another process, and tells what became of it."""

    program = "tests.sources.fuzzing"

    def read(self, what: str, path: Path, reader: str | None = None) -> Outcome:
        """Read a ``source``, ``store``, ``table`` or ``digits`` to its end."""
        return Outcome(*self.ask([what, str(path), reader]))


def attempt(what: str, path: str, reader: str | None) -> tuple[str, str]:
    """Read a file to its end, as ingest, a covariate or a store would."""
    from stforecast.errors import StForecastError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _WORK[what](path, reader)
    except StForecastError as error:
        return "refused", str(error)
    except Exception as error:
        import traceback

        lines = traceback.format_exception(error)
        return "raised", "".join(lines)[-3000:]
    return "read", ""


def _source(path: str, reader: str | None) -> None:
    from stforecast.ingest import ingest
    from stforecast.options import DataOptions

    ingest([path], "unused.zarr", DataOptions(reader=reader), dry_run=True)


def _store(path: str, reader: str | None) -> None:
    from stforecast.store import TensorStore

    TensorStore.open(path).load().variables()


def _table(path: str, reader: str | None) -> None:
    from stforecast.options.covariates import FileCovariate
    from stforecast.windows.covariates.tables import read_table
    from tests.helpers import make_store

    options = FileCovariate.model_validate({"file": path, "time": "date"})
    read_table(path, options, make_store(n=2).grid)


def _digits(path: str, reader: str | None) -> None:
    from stforecast.sources.digits import holds_digits, read_digits

    holds_digits(Path(path))
    read_digits(Path(path))


_WORK = {"source": _source, "store": _store, "table": _table, "digits": _digits}


class _Child:
    def __init__(self) -> None:
        asked, ask = os.pipe()
        answers, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ask)
            os.close(answers)
            _serve(asked, answer)
            os._exit(0)
        os.close(asked)
        os.close(answer)
        self._ask, self._answers = ask, os.fdopen(answers)

    def answer(self, line: str) -> tuple[str, str] | None:
        """The outcome; None where the child is gone."""
        os.write(self._ask, line.encode())
        ready, _, _ = select.select([self._answers], [], [], PATIENCE)
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._close()
            return "hung", f"no answer in {PATIENCE} seconds"
        told = self._answers.readline()
        if told:
            kind, text = json.loads(told)
            return kind, text
        _, status = os.waitpid(self.pid, 0)
        self._close()
        return "crashed", signal.strsignal(status & 0x7F) or str(status)

    def _close(self) -> None:
        os.close(self._ask)
        self._answers.close()


def _serve(asked: int, answer: int) -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for stream in (1, 2):  # what C libraries print is no answer
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with os.fdopen(asked) as requests, os.fdopen(answer, "w") as answers:
        for line in requests:
            answers.write(json.dumps(attempt(*json.loads(line))) + "\n")
            answers.flush()


def main() -> None:
    """Answer requests, a line of JSON each way."""
    import stforecast.ingest
    import stforecast.store
    import stforecast.windows.covariates.tables  # noqa: F401

    import cfgrib  # noqa: F401  # isort: skip  after stforecast, see stforecast/_proj.py

    child: _Child | None = None
    for request in requests():
        child = child or _Child()
        outcome: Any = child.answer(json.dumps(request) + "\n")
        if outcome[0] in ("crashed", "hung"):
            child = None
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
