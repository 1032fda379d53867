"""Run folders without any training: a small model with weights drawn at random."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from stforecast.card import ModelCard, NoiseCard, RunCard, TrainingCard
from stforecast.forecast import TrainedModel, load_trained
from stforecast.models import create_model
from stforecast.options import SplitOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.windows import compute_statistics, resolve_splits, resolve_windows, sample_shape
from stforecast.windows.climatology import learn_climatology
from stforecast.windows.covariates.learning import learn_covariates

torch.set_num_threads(1)

SMALL = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "groups": 1}


def make_run(
    folder: Path,
    store: TensorStore,
    *,
    history: int | str = 4,
    horizon: int | str = 3,
    name: str = "small",
    departure: str = "none",
    covariates: Any = (),
    lags: Sequence[int | str] = (),
    windows: Mapping[str, Any] | None = None,
    model: str = "simvp",
    split: SplitOptions | None = None,
    precision: str = "float32",
    seed: int = 0,
    noise: NoiseCard | None = None,
) -> Path:
    """A run's folder as training leaves it."""
    options = WindowOptions(
        history=history,
        horizon=horizon,
        departure=departure,
        covariates=list(covariates),
        lags=list(lags),
        **(windows or {}),
    )
    spec = resolve_windows(options, store.axis.step)
    splits = resolve_splits(store.axis, split or SplitOptions(), spec, store.n_sequences)
    spec = learn_covariates(spec, store, splits)
    climatology = learn_climatology(store, spec, splits) if spec.needs_climatology else None
    usual = None if climatology is None else climatology.fields_at(store.axis)
    statistics = compute_statistics(store, spec, splits, usual=usual)
    shape = sample_shape(store, spec, statistics.missing)
    if noise is not None:
        more = shape.static_channels + noise.uniform + noise.local
        shape = replace(shape, static_channels=more)
    torch.manual_seed(seed)
    system = create_model(model, shape, **(SMALL if model == "simvp" else {}))
    sequences = splits.sequences
    card = RunCard(
        name=name,
        model=ModelCard(name=system.name, settings=system.settings),
        shape=asdict(shape),
        windows=spec.to_json(),
        history_needed=spec.history_needed,
        channels=store.meta.channels,
        grid=store.grid.fingerprint(),
        time_step=store.meta.time_step,
        time_anchor=store.axis.step.anchor,
        calendar=store.axis.calendar,
        splits=splits.dates(store.axis),
        sequences=None if sequences is None else {k: tuple(v) for k, v in sequences.items()},
        statistics=statistics.to_json(),
        climatology=None if climatology is None else climatology.card,
        seed=seed,
        noise=noise,
        precision=precision,
        device="cpu",
        training=TrainingCard(budget={"max_epochs": 1}, batch_size=4, samples=10, finished=True),
    )
    folder.mkdir(parents=True, exist_ok=True)
    card.write(folder)
    if climatology is not None:
        climatology.write(folder)
    save_file(system.state_dict(), folder / "model.safetensors")
    return folder


def make_trained(folder: Path, store: TensorStore, **settings: Any) -> TrainedModel:
    """The same, loaded."""
    return load_trained(make_run(folder, store, **settings), device="cpu")
