"""What is settled of the covariates before training: kinds, names, and statistics."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.options.covariates import FileCovariate
from stforecast.store import TensorStore
from stforecast.windows.covariates.base import Covariate, Limited, Measured, Positions, Setting
from stforecast.windows.covariates.together import SOURCES
from stforecast.windows.parts import PartName, Splits
from stforecast.windows.spec import Told, WindowSpec

Floats64 = NDArray[np.float64]

# Positions whose values are looked at together.
_AT_ONCE = 512
_USED: tuple[PartName, ...] = ("train", "validation")


def learn_covariates(
    spec: WindowSpec, store: TensorStore, splits: Splits, told: tuple[Told, ...] = ()
) -> WindowSpec:
    """The windows with all that a run's card has to say of its covariates.

    Statistics are those of the training period, and shares of missing values are put among the
    notes of the splits.

    Args:
        told: of a run that goes on, whose statistics stay as they are.

    Raises:
        ConfigError, DataError: a source that does not suit the record, or has nothing for the
            training period, or not all that the validation period needs.
    """
    if not spec.covariates:
        return spec
    setting = Setting(spec, store)
    parts = {name: _positions(store, splits, name) for name in _USED}
    options, learned = [], []
    for number, item in enumerate(spec.covariates):
        source = SOURCES[type(item)](item, setting)
        if isinstance(item, FileCovariate):
            update = {"known": source.kind, "columns": list(source.names)}
            item = item.model_copy(update=update)
        options.append(item)
        known = told[number] if told else _learn(source, parts["train"], splits.notes)
        learned.append(known)
        if isinstance(source, Limited):
            masked = known.missing or [False] * len(known.names)
            if not any(masked):
                source.require(parts["train"], "the training period", masked)
                source.require(parts["validation"], "the validation period", masked)
    return replace(spec, covariates=tuple(options), told=tuple(learned))


def _positions(store: TensorStore, splits: Splits, name: PartName) -> Positions:
    part = splits.part(name)
    if part is None:
        part = (0, store.shape[0]) if splits.sequences is not None and name == "train" else (0, 0)
    positions = np.arange(*part, dtype=np.int64)
    return positions[store.present[positions]]


def _learn(source: Covariate, train: Positions, notes: list[str]) -> Told:
    """What the training period has of a source."""
    if not isinstance(source, Measured):
        return Told(kind=source.kind, names=list(source.names))
    chosen = train[:1] if source.kind == "static" else train
    count, mean, cells = _means(source, chosen, np.zeros(len(source.names)), power=1)
    what = "cells" if source.kind == "static" else "times"
    for name, number in zip(source.names, count, strict=True):
        if not number:
            raise DataError(
                f"{source.where} has no value of {name!r} in the training period"
                f"{source.span()}; check its times and its timezone, or leave the column out"
            )
        if number < cells:
            notes.append(
                f"{source.where} has {name!r} for {100 * number / cells:.3g} % of the {what} of "
                "the training period; the mean stands in for the rest, and a mask tells of it"
            )
    _, variance, _ = _means(source, chosen, mean, power=2)
    return Told(
        kind=source.kind,
        names=list(source.names),
        mean=mean.tolist(),
        std=np.where(variance > 0, np.sqrt(variance), 1.0).tolist(),
        missing=(count < cells).tolist(),
        files=dict(source.origin),
    )


def _means(
    source: Covariate, positions: Positions, centre: Floats64, power: int
) -> tuple[NDArray[np.int64], Floats64, int]:
    """Values (K,) that are there, the mean (K,) of a power of their distance from a centre (K,).

    And how many there could be of each.
    """
    count, total, cells = np.zeros(len(centre), np.int64), np.zeros(len(centre)), 0
    for at in range(0, len(positions), _AT_ONCE):
        values = source.values(positions[at : at + _AT_ONCE]).astype(np.float64)
        shift = (values - centre.reshape(-1, *[1] * (values.ndim - 2))) ** power
        axes = (0, *range(2, values.ndim))
        count += np.isfinite(values).sum(axis=axes)
        total += np.nansum(shift, axis=axes)
        cells += values[:, 0].size
    return count, total / np.maximum(count, 1), cells
