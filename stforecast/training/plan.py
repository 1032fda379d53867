"""What is settled before the first step: windows, splits, statistics, the sizes of a sample."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.card import ModelCard, RunCard, TrainingCard
from stforecast.errors import ConfigError
from stforecast.models import SampleShape
from stforecast.options import SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.ensemble import Draws, told_noise
from stforecast.training.hardware import Hardware
from stforecast.training.resume import describe_budget
from stforecast.windows import (
    Frames,
    GeneratedDataset,
    Splits,
    Statistics,
    WindowDataset,
    WindowSpec,
    compute_statistics,
    list_samples,
    resolve_splits,
    resolve_windows,
    sample_shape,
)
from stforecast.windows.climatology import Climatology, learn_climatology
from stforecast.windows.covariates.learning import learn_covariates
from stforecast.windows.days import left_out, usable_times
from stforecast.windows.frames import default_cache_bytes
from stforecast.windows.parts import PartName, Range
from stforecast.windows.scaling import check_scaling
from stforecast.windows.told import Told


@dataclass(frozen=True, eq=False)
class Plan:
    """The windows of a run and how they are split and normalised.

    `train` and `validation` are samples (n, 2): sequence and position of the initial time;
    `validation` may be empty, and so is `train` where its sequences are drawn as they are needed.
    `frames` reads them, from memory where the record fits in `memory` bytes.
    """

    spec: WindowSpec
    splits: Splits
    statistics: Statistics
    shape: SampleShape
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    frames: Frames
    memory: int
    climatology: Climatology | None = None

    def training_data(self, store: TensorStore) -> WindowDataset | GeneratedDataset:
        """The samples to train on, stored or drawn."""
        if store.generator is not None:
            return GeneratedDataset(store, self.spec)
        return self.dataset(store, self.train)

    def dataset(self, store: TensorStore, samples: NDArray[np.int64]) -> WindowDataset:
        """Stored samples, with what the run has learned of the training period."""
        return WindowDataset(store, self.spec, samples, self.frames, climatology=self.climatology)

    def training_samples(self, store: TensorStore) -> int:
        """Samples of one epoch."""
        drawn = store.meta.generation
        return len(self.train) if drawn is None else drawn.sequences

    def learned_from(self, store: TensorStore) -> dict[str, Any]:
        """The periods that training sees, as what a resumed run must share."""
        dates = self.splits.dates(store.axis)
        sequences = self.splits.sequences or {}
        parts: tuple[PartName, ...] = ("train", "validation")
        drawn = store.meta.generation
        return {
            **({} if drawn is None else {"drawn sequences": drawn.model_dump(mode="json")}),
            **{part: dates.get(part) for part in parts},
            **{f"sequences of {part}": sequences[part] for part in parts if part in sequences},
        }


def settle_windows(
    store: TensorStore, windows: WindowOptions, split: SplitOptions
) -> tuple[WindowSpec, Splits]:
    """What makes a sample of a record, and how it is split; nothing is read.

    Raises ConfigError or DataError where windows or split do not suit the record.
    """
    spec = resolve_windows(windows, store.axis.step)
    check_scaling(spec, store.meta.channels)
    drawn = store.meta.generation
    if drawn is not None and spec.needs_climatology:
        raise ConfigError(
            "the training sequences of this record are drawn as they are needed, and have no "
            "climatology; set windows.departure to another one, and tell none as a covariate"
        )
    stored: dict[PartName, Range] | None = None
    if drawn is not None:
        stored = {part: drawn.stored[part] for part in drawn.stored}
    usable = usable_times(store, spec)
    return spec, resolve_splits(store.axis, split, spec, store.n_sequences, stored, usable)


def make_plan(
    store: TensorStore,
    windows: WindowOptions,
    split: SplitOptions,
    statistics: Statistics | None = None,
    progress: Callable[[int, int], None] | None = None,
    told: tuple[Told, ...] = (),
    climatology: Climatology | None = None,
    memory: int | None = None,
) -> Plan:
    """Settle windows, splits, statistics and climatology; a resumed run gives its own of them, and
    of its covariates.

    memory: bytes that data may take, by default those of :func:`default_cache_bytes`.

    Raises:
        DataError: the training or the validation period has no window without an absent time.
        ConfigError: variables of unlike units are to be scaled together.
    """
    spec, splits = settle_windows(store, windows, split)
    missing_days = left_out(store, spec)
    if missing_days is not None:
        splits.notes.append(missing_days)
    spec = learn_covariates(spec, store, splits, told)
    train = np.zeros((0, 2), np.int64)
    if store.meta.generation is None:
        train = list_samples(store, spec, splits, "train")
    memory = default_cache_bytes() if memory is None else memory
    frames = Frames(store, memory, progress, _needed(splits))
    if climatology is None and spec.needs_climatology:
        climatology = learn_climatology(store, spec, splits, frames)
    if statistics is None:
        usual = None if climatology is None else climatology.fields_at(store.axis)
        statistics = compute_statistics(store, spec, splits, frames, usual)
    return Plan(
        spec=spec,
        splits=splits,
        statistics=statistics,
        shape=sample_shape(store, spec, statistics.missing),
        train=train,
        validation=list_samples(store, spec, splits, "validation"),
        frames=frames,
        memory=memory,
        climatology=climatology,
    )


def _needed(splits: Splits) -> range | None:
    """Sequences that a training reads, from the first to the last; all where none are split."""
    if splits.sequences is None:
        return None
    read = [splits.sequences_of("train"), splits.sequences_of("validation")]
    read = [part for part in read if part]
    if not read:
        return range(0)
    return range(min(part.start for part in read), max(part.stop for part in read))


def make_card(
    name: str,
    plan: Plan,
    store: TensorStore,
    model: ModelCard,
    options: TrainingOptions,
    hardware: Hardware,
    experiment: dict[str, Any] | None,
) -> RunCard:
    """The card of a run that has not begun."""
    parts: tuple[PartName, ...] = ("train", "validation", "test")
    draws = Draws.of(options)
    sequences = plan.splits.sequences
    return RunCard(
        name=name,
        model=model,
        shape=asdict(told_noise(plan.shape, draws)),
        windows=plan.spec.to_json(),
        history_needed=plan.spec.history_needed,
        channels=store.meta.channels,
        grid=store.grid.fingerprint(),
        time_step=store.meta.time_step,
        time_anchor=store.axis.step.anchor,
        calendar=store.axis.calendar,
        timezone=store.meta.timezone,
        splits=plan.splits.dates(store.axis),
        sequences=(
            None
            if sequences is None
            else {part: sequences[part] for part in parts if part in sequences}
        ),
        notes=list(plan.splits.notes),
        statistics=plan.statistics.to_json(),
        climatology=None if plan.climatology is None else plan.climatology.card,
        experiment=experiment,
        noise=None if draws is None else draws.card,
        seed=options.seed,
        precision=hardware.precision,
        device=hardware.describe_device(),
        training=TrainingCard(
            budget=describe_budget(options),
            batch_size=options.batch_size,
            samples=plan.training_samples(store),
        ),
    )
