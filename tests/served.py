"""Programs of the tests that answer in a process of their own, a line of JSON each way."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[1]


class Served:
    """A program that is asked; as a context it runs until the block ends."""

    program: str
    """The module that it is, which goes by :func:`requests`."""
    _process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.program],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # told, because a process that was forked meanwhile may hold this end open, too
        self._process.stdin.write("null\n")
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def ask(self, request: Any) -> Any:
        """What the program answers to a request other than None."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def requests() -> Iterator[Any]:
    """In the program: what it is asked, until it is told that this was all."""
    for line in sys.stdin:
        request = json.loads(line)
        if request is None:
            return
        yield request
