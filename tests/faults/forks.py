"""Tries that go wrong on purpose, each in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a try ended."""

    status: int
    """0, or the signal it died of, negative."""
    result: Any = None
    error: tuple[str, str] | None = None
    """Class and text of what was raised."""
    events: int = 0
    """How often files were touched."""
    cpu: float = 0.0
    """Seconds of processor time."""
    modules: tuple[str, ...] = ()

    @property
    def died(self) -> bool:
        """Whether the process was killed before it was done."""
        return self.status < 0


class Forks:
    """A server of children; tries cost no imports."""

    def __init__(self, folder: Path) -> None:
        """Everything happens below `folder`."""
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Forks":
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
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
        assert self._process is not None
        assert self._process.stdin is not None
        # told, because a process that was forked meanwhile may hold this end open, too
        self._process.stdin.write(json.dumps({"end": True}) + "\n")
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def warm(self, work: str, **arguments: Any) -> Outcome:
        """Do something undisturbed, and import beforehand what it needed from now on."""
        outcome = self.run(work, modules=True, **arguments)
        self._ask({"imports": list(outcome.modules)})
        return outcome

    def run(
        self,
        work: str,
        *,
        fault: dict[str, Any] | None = None,
        modules: bool = False,
        **arguments: Any,
    ) -> Outcome:
        """Let a child do a function of ``tests.faults.work``.

        `fault` is what happens to it: ``{"kind": "kill", "at": 17}`` kills it as it touches its
        17th file below the folder, ``{"cpu": 0.2}`` after so much processor time; ``"full"`` lets
        the disk be full from there on for one call; ``"largest_file"`` limits files;
        With ``"renames"`` directories are swapped by two renames.
        ``{"kind": "source", "how": "cut", "victim": …}`` spoils a source.
        """
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        told = self._ask(
            {
                "work": work,
                "arguments": arguments,
                "fault": fault or {},
                "modules": modules,
                "folder": str(self.folder),
                "answer": str(answer),
            }
        )
        if not answer.exists():
            return Outcome(told["status"])
        found = json.loads(answer.read_text())
        return Outcome(
            told["status"],
            found.get("result"),
            None if found.get("error") is None else tuple(found["error"]),
            found["events"],
            found["cpu"],
            tuple(found.get("modules", ())),
        )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        told: dict[str, Any] = json.loads(process.stdout.readline())
        return told
