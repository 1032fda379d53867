"""Tries that go wrong on purpose, each in a process of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.served import Served


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


class Forks(Served):
    """A server of children; tries cost no imports."""

    program = "tests.faults.server"

    def __init__(self, folder: Path) -> None:
        """Everything happens below `folder`."""
        self.folder = folder

    def warm(self, work: str, **arguments: Any) -> Outcome:
        """Do something undisturbed, and import beforehand what it needed from now on."""
        outcome = self.run(work, modules=True, **arguments)
        self.ask({"imports": list(outcome.modules)})
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
        the disk be full from there on; ``"largest_file"`` limits files. With ``"renames"``
        directories are swapped by two renames.
        ``{"kind": "source", "how": "cut", "victim": …}`` spoils a source.
        """
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        told = self.ask(
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
