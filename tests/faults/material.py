"""What the fault tests work on."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.forks import Forks, Outcome


class Material:
    """Sources old and new, the digests of their stores, and how long the new one takes."""

    def __init__(self, forks: Forks) -> None:
        self.forks = forks
        self.folder = forks.folder
        self.sources: dict[str, list[str]] = {}
        self.digests: dict[str, str] = {}
        for seed, name in enumerate(("old", "new")):
            (self.folder / name).mkdir()
            made = forks.warm("make_sources", folder=str(self.folder / name), seed=seed)
            assert made.error is None, made.error
            self.sources[name] = made.result
            store = str(self.folder / f"{name}.zarr")
            done = forks.warm("ingest", files=made.result, store=store)
            assert done.error is None, done.error
            seen = forks.warm("state", store=store)
            assert seen.error is None, seen.error
            assert seen.result["problems"] == []
            assert seen.result["shards"] > 5
            self.digests[name] = seen.result["digest"]
        assert self.digests["old"] != self.digests["new"]

    def place(self, name: str, *, old: bool) -> Path:
        """A folder of its own with nothing in it, or with the old store, and the store's path."""
        folder = self.folder / "tries" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if old:
            shutil.copytree(self.folder / "old.zarr", folder / "a.zarr")
        return folder / "a.zarr"

    def ingest(self, store: Path, fault: dict[str, Any] | None = None) -> Outcome:
        """Ingest the new sources there, perhaps over what there is."""
        return self.forks.run(
            "ingest", fault=fault, files=self.sources["new"], store=str(store), overwrite=True
        )

    def state(self, store: Path) -> dict[str, Any]:
        """What is there: its digest, what is broken, what lies beside it."""
        outcome = self.forks.run("state", store=str(store))
        assert outcome.error is None, outcome.error
        result: dict[str, Any] = outcome.result
        return result

    def assert_old_or_new(self, store: Path, *, old: bool) -> str:
        """The store is whole, and the one before or the one after; say which."""
        found = self.state(store)
        assert found["problems"] == []
        if found["digest"] is None:
            assert not old, "the old store is gone"
            assert not store.exists()
            return "none"
        names = {self.digests[name]: name for name in ("old", "new")}
        assert found["digest"] in names, "neither the old store nor the new one"
        assert old or names[found["digest"]] == "new"
        return names[found["digest"]]

    def assert_finished(self, outcome: Outcome, store: Path) -> None:
        """A try that was not disturbed made the new store and left nothing else."""
        assert outcome.error is None, outcome.error
        assert outcome.status == 0
        found = self.state(store)
        assert found["problems"] == []
        assert found["digest"] == self.digests["new"]
        assert found["beside"] == found["strange"] == []
        assert [file.name for file in store.parent.iterdir() if file.name[0] == "."] == []

    def assert_told(self, outcome: Outcome, *kinds: str) -> str:
        """A try failed with one clear sentence of one of these kinds; give it."""
        assert outcome.status == 0
        assert outcome.error is not None
        kind, sentence = outcome.error
        assert kind in kinds, outcome.error
        assert "\n" not in sentence
        return sentence


def moments(seed: int, number: int, undisturbed: Outcome) -> Iterator[dict[str, Any]]:
    """Random moments at which to kill: by files touched and by time on the processor, in turn.

    Some are among the last, around the moment when the new store takes the place of the old one.
    """
    random_ = random.Random(seed)
    for index in range(number):
        if index % 2:
            first = undisturbed.events - 10 if index % 8 == 3 else 1
            yield {"kind": "kill", "at": random_.randint(first, undisturbed.events)}
        else:
            yield {"kind": "kill", "cpu": random_.uniform(0.02, 1.0) * undisturbed.cpu}
