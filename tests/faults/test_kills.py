"""Ingests that are killed at random moments: nothing is lost, and the next one finishes."""

import pytest

from tests.faults.material import Material, moments

SEED = 20260501


def kill_again_and_again(material: Material, seed: int, kills: int, *, old: bool) -> None:
    """Kill ingests at random moments; after each, look at what is there and do it again."""
    store = material.place("measured", old=old)
    undisturbed = material.ingest(store)
    material.assert_finished(undisturbed, store)
    killed, reused, found = 0, 0, {"none": 0, "old": 0, "new": 0}
    for number, moment in enumerate(moments(seed, 3 * kills, undisturbed)):
        print(f"seed {seed}, try {number}: {moment}")
        store = material.place(f"{seed}-{number}", old=old)
        outcome = material.ingest(store, moment)
        if not outcome.died:  # it was done sooner than the one that was measured
            material.assert_finished(outcome, store)
            continue
        killed += 1
        found[material.assert_old_or_new(store, old=old)] += 1
        left = material.forks.run("whole_shards", store=str(store)).result
        material.assert_finished(material.ingest(store), store)
        reused += sum((store / key).stat().st_ino == inode for key, inode in left.items())
        if killed == kills:
            break
    print(f"{killed} kills, then there was {found}; {reused} finished shards were kept")
    assert killed == kills
    assert found["old" if old else "none"] > 0
    assert reused > 0


@pytest.mark.parametrize("old", [False, True], ids=["fresh", "overwrite"])
def test_some_kills(material: Material, old: bool) -> None:
    kill_again_and_again(material, SEED, 4, old=old)


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True], ids=["fresh", "overwrite"])
def test_many_kills(material: Material, old: bool) -> None:
    kill_again_and_again(material, SEED + 1 + old, 30, old=old)


def test_killed_twice_and_then_done(material: Material) -> None:
    """What the first had done, the second goes on with, and the third."""
    store = material.place("twice", old=True)
    undisturbed = material.ingest(store)
    store = material.place("twice", old=True)
    for share in (0.45, 0.6):
        killed = material.ingest(store, {"kind": "kill", "at": int(undisturbed.events * share)})
        assert killed.died
        assert material.assert_old_or_new(store, old=True) == "old"
    material.assert_finished(material.ingest(store), store)


@pytest.mark.parametrize("renames", [False, True], ids=["exchange", "renames"])
def test_killed_around_the_swap(material: Material, renames: bool) -> None:
    kill_at_the_end(material, 2, renames=renames)


@pytest.mark.slow
@pytest.mark.parametrize("renames", [False, True], ids=["exchange", "renames"])
def test_killed_at_each_of_the_last_moments(material: Material, renames: bool) -> None:
    kill_at_the_end(material, 12, renames=renames)


def kill_at_the_end(material: Material, moments: int, *, renames: bool) -> None:
    """Kill overwrites as they touch each of the last files that they touch."""
    store = material.place("measured", old=True)
    undisturbed = material.ingest(store, {"renames": renames})
    material.assert_finished(undisturbed, store)
    found = {"old": 0, "new": 0}
    for back in range(moments):
        store = material.place("end", old=True)
        at = undisturbed.events - back
        outcome = material.ingest(store, {"kind": "kill", "at": at, "renames": renames})
        if outcome.died:
            found[material.assert_old_or_new(store, old=True)] += 1
            outcome = material.ingest(store, {"renames": renames})
        material.assert_finished(outcome, store)
    print(f"killed at the last {moments} moments, then there was {found}")
    assert sum(found.values()) > 0
    assert found["new"] > 0
