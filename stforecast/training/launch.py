"""One process per device: started, listened to, and stopped together.

Each runs :mod:`stforecast.training.worker`. It is given its job on its standard input, which then
stays open as long as it is to go on: closing it asks for a stop, and so does the end of this
process. What it has to say comes back line by line, as JSON.
"""

import contextlib
import json
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
from typing import IO, Any

from stforecast.errors import RunError
from stforecast.training.counters import Outcome
from stforecast.training.health import NotFiniteError
from stforecast.training.job import Job, Result
from stforecast.training.logs import Best, Row
from stforecast.training.progress import Reporter
from stforecast.training.signals import StopRequest

Message = tuple[int, dict[str, Any] | None]  # rank, and what it says; None when it hangs up


def launch(job: Job, reporter: Reporter, stop: StopRequest) -> Result:
    """Train in ``job.hardware.devices`` processes.

    Raises:
        RunError, NotFiniteError: as one of the processes says, or when one dies.
    """
    payload = pickle.dumps(job)
    port = _free_port()
    messages: queue.Queue[Message] = queue.Queue()
    workers = [_start(rank, job.hardware.devices, port) for rank in range(job.hardware.devices)]
    stop.listen()
    try:
        for rank, worker in enumerate(workers):
            assert worker.stdin is not None
            assert worker.stdout is not None
            threading.Thread(
                target=_listen, args=(rank, worker.stdout, messages), daemon=True
            ).start()
            try:
                worker.stdin.write(len(payload).to_bytes(8, "big") + payload)
                worker.stdin.flush()
            except BrokenPipeError:
                continue  # it is gone already; its line says why
        result = _follow(workers, messages, reporter, stop)
        for worker in workers:
            worker.wait()
        return result
    finally:
        stop.restore()
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    _close(pipe)
        job.run.look_again()


def _follow(
    workers: list[subprocess.Popen[bytes]],
    messages: "queue.Queue[Message]",
    reporter: Reporter,
    stop: StopRequest,
) -> Result:
    """Pass on what the processes say until all have ended well, or one has not."""
    results: dict[int, Result] = {}
    asked = False
    while len(results) < len(workers):
        if stop() and not asked:
            asked = True
            for worker in workers:
                if worker.stdin is not None:
                    _close(worker.stdin)
        try:
            rank, message = messages.get(timeout=0.2)
        except queue.Empty:
            continue
        if message is None:
            if rank not in results:
                status = workers[rank].wait()
                raise RunError(
                    f"process {rank} of the training ended with status {status}; what it said is "
                    "above"
                )
        elif "result" in message:
            outcome, step = message["result"]
            results[rank] = Result(Outcome(outcome), step)
        elif "not_finite" in message:
            what, step = message["not_finite"]
            raise NotFiniteError(what, step)
        elif "error" in message:
            raise RunError(message["error"])
        else:
            _tell(reporter, message)
    return results[0]


def _tell(reporter: Reporter, message: dict[str, Any]) -> None:
    if "notify" in message:
        reporter.notify(message["notify"])
    elif "step" in message:
        reporter.step(*message["step"])
    elif "validated" in message:
        row, total, best = message["validated"]
        reporter.validated(Row(**row), total, best)
    elif "finish" in message:
        best = message["finish"]
        reporter.finish(None if best is None else Best(**best))


def _start(rank: int, world_size: int, port: int) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "stforecast.training.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # signals come to this process alone, which passes them on
    )


def _listen(rank: int, pipe: IO[bytes], messages: "queue.Queue[Message]") -> None:
    for line in pipe:
        messages.put((rank, json.loads(line)))
    messages.put((rank, None))


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # what was left in it is of no use to anybody
        pipe.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
