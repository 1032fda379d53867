"""Disks that fill up: one sentence, nothing lost, and the next try finishes."""

import random

import pytest

from tests.faults.material import Material

SEED = 20260503


def fill_at(material: Material, fault: dict[str, object], place: str) -> bool:
    """Ingest over an old store on a disk that is full from some moment on; True if it noticed."""
    store = material.place(place, old=True)
    outcome = material.ingest(store, fault)
    if outcome.error is None:  # enough room after all
        material.assert_finished(outcome, store)
        return False
    sentence = material.assert_told(outcome, "StoreError")
    assert "what was there before is unchanged" in sentence
    assert material.assert_old_or_new(store, old=True) == "old"
    material.assert_finished(material.ingest(store), store)
    return True


def limits(seed: int, number: int) -> list[dict[str, object]]:
    """Largest sizes of a file, from a byte to more than a shard."""
    random_ = random.Random(seed)
    return [{"largest_file": int(2 ** random_.uniform(0, 15))} for _ in range(number)]


def moments(material: Material, seed: int, number: int) -> list[dict[str, object]]:
    """Moments from which on no file or folder can be made, as there is no room left."""
    store = material.place("measured", old=True)
    undisturbed = material.ingest(store, {"kind": "full"})
    random_ = random.Random(seed)
    return [{"kind": "full", "at": random_.randint(1, undisturbed.events)} for _ in range(number)]


def test_some(material: Material) -> None:
    assert fill_at(material, {"largest_file": 10_000}, "limit")
    for number, fault in enumerate(moments(material, SEED, 2)):
        assert fill_at(material, fault, f"room-{number}"), fault


@pytest.mark.slow
def test_many(material: Material) -> None:
    faults = [*limits(SEED + 1, 15), *moments(material, SEED + 2, 25)]
    noticed = 0
    for number, fault in enumerate(faults):
        print(f"try {number}: {fault}")
        noticed += fill_at(material, fault, f"full-{number}")
    print(f"{noticed} of {len(faults)} tries ran out of room")
    assert noticed >= len(faults) - 5  # all, but for the last moments and limits no file reaches
