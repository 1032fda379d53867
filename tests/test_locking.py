"""One writer at a time, and no lock outlives its holder."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stforecast.locking import LockedError, locked

HOLD = """
import sys, time
from pathlib import Path
from stforecast.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_it_leaves_nothing_behind(tmp_path):
    with locked(tmp_path / "a"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
        with locked(tmp_path / "a"), locked(tmp_path / "b"):
            pass
        assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_holds_it_no_longer(tmp_path):
    path = tmp_path / "a"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        match = f"is being written by process {holder.pid} on"
        with pytest.raises(LockedError, match=match), locked(path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    assert (tmp_path / ".a.lock").exists()
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_is_of_the_thing_and_not_of_its_name(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found: list[str] = []

    def take(path: Path) -> None:
        try:
            with locked(path):
                found.append("taken")
        except LockedError:
            found.append("refused")

    with locked(tmp_path / "link"):
        for name in ("a", "b"):
            thread = threading.Thread(target=take, args=[tmp_path / name])
            thread.start()
            thread.join()
    assert found == ["refused", "taken"]


def test_those_who_wait_come_one_by_one(tmp_path):
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with locked(tmp_path / "a", patience=60):
                inside.append(os.getpid())
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
    assert list(tmp_path.iterdir()) == []
