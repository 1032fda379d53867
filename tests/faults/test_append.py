"""Appends that are killed at random moments, or run out of room."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.forks import Outcome
from tests.faults.material import Material, moments

SEED = 20260507


class Growth:
    """A store of the first two files, to which the others are added."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.files = material.sources["new"]
        self.short = material.folder / "short.zarr"
        forks = material.forks
        made = forks.run("ingest", files=self.files[:2], store=str(self.short), overwrite=True)
        assert made.error is None, made.error
        self.before = forks.run("state", store=str(self.short)).result["digest"]
        store = self.place("measured")
        warm = forks.warm("append", files=self.files[2:], store=str(store))
        assert warm.error is None, warm.error
        store = self.place("measured")
        self.undisturbed = self.append(store)
        assert self.undisturbed.error is None, self.undisturbed.error
        found = material.state(store)
        assert found["problems"] == []
        self.after = found["digest"]
        assert self.shards(store) == self.shards(material.folder / "new.zarr")

    def place(self, name: str) -> Path:
        store = self.material.place(f"append-{name}", old=False)
        shutil.copytree(self.short, store)
        return store

    def append(self, store: Path, fault: dict[str, Any] | None = None) -> Outcome:
        files = self.files[2:]
        return self.material.forks.run("append", fault=fault, files=files, store=str(store))

    def shards(self, store: Path) -> dict[str, str]:
        found: dict[str, str] = self.material.forks.run("shards", store=str(store)).result
        return found

    def written(self, store: Path) -> dict[str, int]:
        """The whole shards in what an append left beside the store that are not the store's."""
        found: dict[str, int] = self.material.forks.run("whole_shards", store=str(store)).result
        own = {file.stat().st_ino for file in (store / "data" / "c").rglob("*") if file.is_file()}
        return {key: inode for key, inode in found.items() if inode not in own}

    def assert_finished(self, outcome: Outcome, store: Path) -> None:
        assert outcome.error is None, outcome.error
        assert outcome.status == 0
        found = self.material.state(store)
        assert found["problems"] == []
        assert found["beside"] == found["strange"] == []
        assert found["digest"] == self.after
        assert [file.name for file in store.parent.iterdir()] == [store.name]

    def assert_before_or_after(self, store: Path) -> str:
        found = self.material.state(store)
        assert found["problems"] == []
        assert found["digest"] in (self.before, self.after)
        return "before" if found["digest"] == self.before else "after"


@pytest.fixture(scope="module")
def growth(material: Material) -> Growth:
    return Growth(material)


def kill_again_and_again(growth: Growth, seed: int, kills: int) -> None:
    """Kill appends at random moments; after each, look at what is there and do it again."""
    killed, reused, found = 0, 0, {"before": 0, "after": 0}
    for number, moment in enumerate(moments(seed, 3 * kills, growth.undisturbed)):
        print(f"seed {seed}, try {number}: {moment}")
        store = growth.place(str(number))
        outcome = growth.append(store, moment)
        if outcome.died:
            killed += 1
            found[growth.assert_before_or_after(store)] += 1
            left = growth.written(store)
            outcome = growth.append(store)
            growth.assert_finished(outcome, store)
            reused += sum((store / key).stat().st_ino == inode for key, inode in left.items())
        growth.assert_finished(outcome, store)
        if killed == kills:
            break
    print(f"{killed} kills of appends, then there was {found}; {reused} finished shards were kept")
    assert killed == kills
    assert found["before"] > 0


def test_some_kills(growth: Growth) -> None:
    kill_again_and_again(growth, SEED, 2)


@pytest.mark.slow
def test_many_kills(growth: Growth) -> None:
    kill_again_and_again(growth, SEED + 1, 50)


def test_killed_twice_and_then_done(growth: Growth) -> None:
    """What the first had done, the second goes on with, and the third."""
    store, kept = growth.place("twice"), 0
    for share in (0.6, 0.75):
        left = growth.written(store)
        at = int(growth.undisturbed.events * share)
        assert growth.append(store, {"kind": "kill", "at": at}).died
        assert growth.assert_before_or_after(store) == "before"
        kept += sum(growth.written(store).get(key) == inode for key, inode in left.items())
    left = growth.written(store)
    growth.assert_finished(growth.append(store), store)
    kept += sum((store / key).stat().st_ino == inode for key, inode in left.items())
    assert kept > 0


def test_who_opened_it_before_reads_on(growth: Growth) -> None:
    store = growth.place("reader")
    outcome = growth.material.forks.run(
        "read_while_it_grows", files=growth.files[2:], store=str(store)
    )
    assert outcome.error is None, outcome.error
    assert outcome.result


def run_out_of_room(growth: Growth, fault: dict[str, Any], name: str) -> bool:
    store = growth.place(name)
    outcome = growth.append(store, fault)
    if outcome.error is not None:
        sentence = growth.material.assert_told(outcome, "StoreError")
        assert "what was there before is unchanged" in sentence
        assert growth.assert_before_or_after(store) == "before"
        growth.assert_finished(growth.append(store), store)
        return True
    growth.assert_finished(outcome, store)
    return False


def test_a_full_disk(growth: Growth) -> None:
    assert run_out_of_room(growth, {"largest_file": 9_000}, "full")


@pytest.mark.slow
def test_a_full_disk_at_many_moments(growth: Growth) -> None:
    random_ = random.Random(SEED + 2)
    store = growth.place("room")
    events = growth.append(store, {"kind": "full"}).events
    faults: list[dict[str, Any]] = [
        {"kind": "full", "at": random_.randint(1, events)} for _ in range(15)
    ]
    faults += [{"largest_file": int(2 ** random_.uniform(0, 15))} for _ in range(10)]
    noticed = 0
    for number, fault in enumerate(faults):
        print(f"try {number}: {fault}")
        noticed += run_out_of_room(growth, fault, f"room-{number}")
    print(f"{noticed} of {len(faults)} appends ran out of room")
    assert noticed > len(faults) // 2
