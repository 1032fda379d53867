"""Forecasts of many initial times over the workers of a cluster.

What is sent are the folders of the runs and of the store, and positions; what comes back are the
batches that one process would have made, of the same samples.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from stforecast import cluster
from stforecast.errors import RunError
from stforecast.forecast.batches import Batches, Positions
from stforecast.forecast.blocks import Block
from stforecast.forecast.ensemble import Ensemble, load_ensemble
from stforecast.forecast.options import ForecastOptions
from stforecast.options import Device
from stforecast.options.covariates import located
from stforecast.store import TensorStore
from stforecast.timeaxis import stamp_text
from stforecast.windows.covariates import Given
from stforecast.windows.spec import WindowSpec

if TYPE_CHECKING:
    from distributed import Client

Fields = NDArray[np.float32]
Batch = tuple[Positions, range]

# Bytes of forecasts that a worker makes before it sends them.
_SENT = 8 * 2**20
# Fewest parts for each thread of a worker, so that all have something to do to the end.
_PARTS = 4
# Bytes of a record that a worker holds in memory.
_HELD = 256 * 2**20


@dataclass(frozen=True)
class Recipe:
    """What a worker opens to make the same forecasts, and how they are made.

    ``told`` are the windows of each run and new values of its covariates; ``begin`` is the first
    time of the store.
    """

    name: str
    folders: tuple[str, ...]
    device: Device
    identity: str
    told: tuple[tuple[WindowSpec, tuple[Given, ...]], ...]
    store: str
    begin: str
    samples: int
    steps: int
    seed: int
    shares: tuple[int | None, ...]
    precisions: tuple[str, ...]
    batch_size: int | None

    @classmethod
    def of(
        cls,
        runs: Ensemble,
        store: TensorStore,
        batches: Sequence[Batches],
        samples: int,
        options: ForecastOptions,
    ) -> "Recipe":
        """That of forecasts of runs and a record for which :func:`can_spread`."""
        return cls(
            name=f"forecast-{uuid4().hex}",
            folders=tuple(_absolute(folder) for folder in runs.folders),
            device=runs.device,
            identity=runs.identity,
            told=tuple(
                (
                    replace(
                        model.spec, covariates=tuple(located(model.spec.covariates, Path.cwd()))
                    ),
                    tuple(_seen(given) for given in model.given),
                )
                for model in runs.models
            ),
            store=_absolute(str(store.path)),
            begin=stamp_text(store.axis.times_at(0)[()]),
            samples=samples,
            steps=batches[0].steps,
            seed=options.seed,
            shares=tuple(one.members for one in batches),
            precisions=tuple(one.precision for one in batches),
            batch_size=options.batch_size,
        )

    def open(self) -> list[Batches]:
        """Runs and store, ready to forecast; RunError where they are others by now."""
        runs = load_ensemble(self.folders, self.device)
        store = TensorStore.open(self.store)
        if runs.identity != self.identity or stamp_text(store.axis.times_at(0)[()]) != self.begin:
            raise RunError(
                f"the run in {self.folders[0]} or the store {self.store} was replaced while it was "
                "used; forecast again"
            )
        return [
            Batches(
                replace(model, spec=spec, given=given),
                store,
                self.samples,
                self.steps,
                members=share,
                seed=(self.seed, number),
                batch_size=self.batch_size,
                precision=precision,
                held=_HELD,
            )
            for number, (model, (spec, given), share, precision) in enumerate(
                zip(runs.models, self.told, self.shares, self.precisions, strict=True)
            )
        ]


def can_spread(runs: Ensemble, store: TensorStore) -> bool:
    """Whether other processes can open the same runs and the same record."""
    return bool(runs.folders) and store.path is not None


class Spread:
    """The batches of blocks of forecasts, made on a cluster.

    Args:
        client: the cluster.
        recipe: how they are made.
        batches: the same for each run, as this process would make them.
        blocks: sequences and initial times that will be asked for, in this order.
    """

    def __init__(
        self,
        client: "Client",
        recipe: Recipe,
        batches: Sequence[Batches],
        blocks: Sequence[Block],
    ) -> None:
        for path in (*recipe.folders, recipe.store):
            cluster.require_shared(client, path)
        self._batches = batches
        self._parts: dict[tuple[object, ...], list[range]] = {}
        work: list[tuple[int, list[Batch]]] = []
        room = cluster.room_of(client) * _PARTS
        for block in blocks:
            of_block = self._parts.setdefault(_key(*block), [])
            for number, one in enumerate(batches):
                planned = one.batches(*block)
                step = _together(one, planned, len(blocks), room)
                parts = [planned[at : at + step] for at in range(0, len(planned), step)]
                of_block.append(range(len(work), len(work) + len(parts)))
                work += [(number, part) for part in parts]
        self._made = cluster.Ahead(_forecast, work, common=recipe, client=client)

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> list[Fields]:
        """Forecasts of each run, as :class:`Batches` gives them, of one of the blocks."""
        return [
            one.gathered(sequences, inits, chain.from_iterable(self._made[part] for part in parts))
            for one, parts in zip(self._batches, self._parts[_key(sequences, inits)], strict=True)
        ]


def _forecast(recipe: Recipe, number: int, planned: list[Batch]) -> list[Fields]:
    """On a worker: forecasts of some batches of a run."""
    batches = cluster.once(recipe.name, recipe.open)[number]
    return [batches.of(*batch) for batch in planned]


def _together(batches: Batches, planned: list[Batch], blocks: int, room: int) -> int:
    """How many batches a worker makes before it sends them."""
    samples, members = planned[0]
    size = 4 * len(samples) * len(members) * batches.steps * int(np.prod(batches.store.shape[1:]))
    return max(1, min(_SENT // size, blocks * len(planned) // room))


def _key(sequences: Sequence[int] | None, inits: Positions) -> tuple[object, ...]:
    return None if sequences is None else tuple(sequences), int(inits[0]), len(inits)


def _seen(given: Given) -> Given:
    if not isinstance(given, (str, Path)) or str(given).startswith("package:"):
        return given
    return _absolute(given)


def _absolute(path: str | Path) -> str:
    """A path as any working directory sees it."""
    return str(path) if "://" in str(path) else os.path.abspath(path)
