"""Sources that are cut, vanish or change while they are read."""

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.material import Material

SEED = 20260504
HOW = ("cut", "gone", "replaced")


def spoil(material: Material, how: str, moment: float, index: int) -> bool:
    """Spoil one source in the middle of an ingest over an old store; True if it was noticed."""
    store = material.place(f"{how}-{index}", old=True)
    folder = store.parent / "sources"
    folder.mkdir()
    files = [shutil.copy2(file, folder / Path(file).name) for file in material.sources["new"]]
    victim = str(files[index % len(files)])
    other = material.sources["old"][index % len(files)]
    shutil.copy(other, victim + ".other")
    good = store.parent / "good.nc"
    shutil.copy2(victim, good)

    measured = material.forks.run(
        "ingest", files=[str(f) for f in files], store=str(store), overwrite=True
    )
    assert measured.error is None, measured.error
    right = material.state(store)["digest"]
    shutil.rmtree(store)
    shutil.copytree(material.folder / "old.zarr", store)
    fault = {
        "kind": "source",
        "how": how,
        "victim": victim,
        "at": max(1, int(moment * measured.events)),
    }
    arguments = {"files": [str(f) for f in files], "store": str(store), "overwrite": True}
    outcome = material.forks.run("ingest", fault=fault, **arguments)
    if outcome.error is not None:
        sentence = material.assert_told(outcome, "DataError", "ReadError", "ConfigError")
        assert "part-" in sentence or "files" in sentence, sentence
        assert material.state(store)["digest"] == material.digests["old"]
        shutil.copy2(good, victim)
        again = material.forks.run("ingest", **arguments)
        assert again.error is None, again.error
    found = material.state(store)
    assert found["problems"] == []
    assert found["beside"] == found["strange"] == []
    assert found["digest"] == right
    return outcome.error is not None


@pytest.mark.parametrize("how", HOW)
def test_in_the_middle(material: Material, how: str) -> None:
    assert spoil(material, how, 0.5, HOW.index(how))


@pytest.mark.slow
def test_at_many_moments(material: Material) -> None:
    random_ = random.Random(SEED)
    noticed = {how: 0 for how in HOW}
    for index in range(30):
        how, moment = HOW[index % 3], random_.uniform(0.05, 0.95)
        print(f"try {index}: {how} at {moment:.3f}")
        noticed[how] += spoil(material, how, moment, index)
    print(f"of 10 tries each noticed: {noticed}")
    assert all(count > 2 for count in noticed.values())  # the others came when all was read
