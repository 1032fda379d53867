"""One process of a training on several devices: ``python -m stforecast.training.worker``.

Its job comes on standard input from :mod:`stforecast.training.launch`, and never from elsewhere.
"""

import dataclasses
import io
import json
import os
import pickle
import sys
import threading
from typing import Any

from stforecast.card import STATE
from stforecast.errors import StForecastError
from stforecast.training.distributed import Ranks
from stforecast.training.files import read_state
from stforecast.training.fit import fit
from stforecast.training.health import NotFiniteError
from stforecast.training.job import Job
from stforecast.training.logs import Best, Row
from stforecast.training.plan import make_plan
from stforecast.training.signals import StopRequest
from stforecast.windows import Statistics, WindowSpec
from stforecast.windows.climatology import read_climatology


class Line:
    """The line to the process that started this one: one JSON object at a time."""

    def __init__(self) -> None:
        # Whatever else is printed must not get among the messages.
        self._pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, **message: Any) -> None:
        self._pipe.write(json.dumps(message) + "\n")
        self._pipe.flush()


class Remote:
    """Reports over the line; only the first process does."""

    def __init__(self, line: Line, ranks: Ranks) -> None:
        self._line = line if ranks.first else None

    def _say(self, **message: Any) -> None:
        if self._line is not None:
            self._line.say(**message)

    def notify(self, line: str) -> None:
        self._say(notify=line)

    def step(self, step: int, total: int | None, loss: float | None, rate: float) -> None:
        self._say(step=[step, total, loss, rate])

    def validated(self, row: Row, total: int | None, best: bool) -> None:
        self._say(validated=[dataclasses.asdict(row), total, best])

    def finish(self, best: Best | None) -> None:
        self._say(finish=None if best is None else dataclasses.asdict(best))

    def close(self) -> None:
        pass


def main() -> int:
    """Receive the job, train, and say how it ended."""
    line = Line()
    ranks_given = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    given = open(0, "rb", buffering=0)  # noqa: SIM115  stays open to the end
    size = int.from_bytes(_receive(given, 8), "big")
    job: Job = pickle.loads(_receive(given, size))
    stop = StopRequest()
    threading.Thread(target=_watch, args=(given, stop), daemon=True).start()
    device = f"cuda:{ranks_given[0]}" if job.hardware.device == "cuda" else "cpu"
    ranks = Ranks(*ranks_given, device)
    try:
        statistics = Statistics.from_json(job.card.statistics)
        told = WindowSpec.from_json(job.card.windows).told
        kept = job.card.climatology
        climatology = None if kept is None else read_climatology(job.run.path, kept)
        plan = make_plan(
            job.store,
            job.windows,
            job.split,
            statistics,
            told=told,
            climatology=climatology,
            memory=job.options.memory_limit,
        )
        state = read_state(job.run.path / STATE) if job.resume else None
        result = fit(job, plan, ranks, Remote(line, ranks), stop, state)
    except NotFiniteError as error:
        line.say(not_finite=[error.what, error.step])
        return 1
    except StForecastError as error:
        line.say(error=str(error))
        return 1
    line.say(result=[result.outcome.value, result.step])
    return 0


def _receive(given: io.FileIO, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = given.read(size - len(content))
        if not part:
            sys.exit("the job did not come whole")
        content += part
    return bytes(content)


def _watch(given: io.FileIO, stop: StopRequest) -> None:
    """Standard input is closed when the run is to stop, or when nobody is there any more."""
    while given.read(1):
        pass
    stop.ask()


if __name__ == "__main__":
    sys.exit(main())
