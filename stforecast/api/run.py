"""Runs that forecast."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from stforecast import cluster
from stforecast.api.data import Record, lazy_store, part_of, to_store
from stforecast.card import CARD, RunCard
from stforecast.errors import DataError, StForecastWarning
from stforecast.options import Device, MemberSpread
from stforecast.store import TensorStore

if TYPE_CHECKING:
    from stforecast.forecast import Ensemble, TrainedModel
    from stforecast.windows.covariates import Given

# Steps that are read from the end of a record, beyond a history, to find its last whole one.
_TAIL = 64
# Bytes of the part of a record that is held in memory for forecasts of a period.
_PERIOD_BYTES = 2 * 2**30


class Run:
    """A trained run, ready to forecast. Made by :func:`train` and :func:`load`."""

    def __init__(self, folder: str | Path | Sequence[str | Path], device: Device = "auto") -> None:
        """Load the run in a folder, or those in several; RunError where one is none, or damaged."""
        from stforecast.forecast import load_ensemble

        folders = [folder] if isinstance(folder, (str, Path)) else list(folder)
        self.ensemble: Ensemble = load_ensemble(folders, device)
        self.folder = Path(folders[0])

    @property
    def model(self) -> "TrainedModel":
        """The run's model; of several runs the first one's."""
        return self.ensemble.models[0]

    @property
    def card(self) -> RunCard:
        """All that is known of the run; of several runs of the first one."""
        return self.model.card

    @property
    def name(self) -> str:
        """The run's name; of several runs all of them."""
        return self.ensemble.name

    def __repr__(self) -> str:
        card = self.card
        return (
            f"<stforecast.Run {self.name!r}: {card.model.name}, history {card.windows['history']}, "
            f"horizon {card.step.counted(card.windows['horizon'])}, in {self.folder}>"
        )

    def predict(
        self,
        history: Record,
        horizon: int | str | None = None,
        *,
        init_time: Any = None,
        future: "Given | Sequence[Given]" = (),
        members: int | None = None,
        seed: int = 0,
        interval: float | None = None,
        spread: MemberSpread = "auto",
        batch_size: int | None = None,
    ) -> xr.Dataset:
        """A forecast from one initial time.

        Args:
            history: a dataset like the one trained on, or a tensor store; only the run's history
                up to the initial time is used.
            horizon: steps, or a duration such as ``24h``; what the run was trained for by default.
            init_time: time of the last frame to use; by default the last of the record that is
                whole (with a warning when the record goes on beyond it).
            future: new values of the covariates that the run takes from files, as datasets, data
                frames or paths.
            members: forecasts from the initial time, of all runs together; by default one of each
                run, and ten of each that was trained with ``loss="crps"``.
            seed: of the members of such runs.
            interval: share of the observations, such as 0.9, that bounds beside each variable are
                to hold, ``<name>_lower`` and ``<name>_upper``.
            spread: ``calibrated`` draws members apart until they differ as much as forecasts of the
                validation period erred; ``raw`` leaves them; ``auto`` calibrates where that is
                known (see :meth:`calibrate`).
            batch_size: sequences forecast at once, for records that have them.

        Returns:
            Dimensions ``(init_time, lead_time[, member], …)`` and the record's own; see the README.

        Raises:
            RunError: the run does not fit the record. DataError: there is too little history, or
            no forecast can start from the initial time. ConfigError: the horizon; so many members,
            or such an interval, cannot be had.
        """
        from stforecast.forecast import ForecastOptions, init_position, predict

        store, spec = lazy_store(history, self.card), self.ensemble.spec
        self.card.check_fits(store)
        if init_time is None:
            store, position = self._last(store)
        else:
            position = init_position(store, spec, init_time)
            stamp = store.axis.times_at(position)[()]
            store = part_of(store, position - spec.history_needed + 1, position + 1)
            position = int(store.axis.positions(stamp))
        options = ForecastOptions(
            members=members, seed=seed, interval=interval, spread=spread, batch_size=batch_size
        )
        return predict(self._told(future), store, [position], horizon, options)

    def hindcast(
        self,
        obs: Record,
        period: str | tuple[str, str] = "test",
        *,
        every: int | str = 1,
        horizon: int | str | None = None,
        future: "Given | Sequence[Given]" = (),
        members: int | None = None,
        seed: int = 0,
        interval: float | None = None,
        spread: MemberSpread = "auto",
        batch_size: int | None = None,
        scheduler: str | None = None,
    ) -> xr.Dataset:
        """Forecasts from all initial times of a period whose valid times lie in it, too.

        Args:
            obs: a dataset like the one trained on, or a tensor store.
            period: ``train``, ``validation`` or ``test`` of the run, or first and last date.
            every: steps or duration from one initial time to the next.
            horizon: steps or duration; what the run was trained for by default.
            future, members, seed, interval, spread: as for :meth:`predict`.
            batch_size: forecasts made at once.
            scheduler: address of a dask cluster whose workers make them, of a store that is given
                by its path; by default those of the dask client that is there, if one is.

        Raises:
            As :meth:`predict`, and where the period has no room.
        """
        from stforecast.forecast import ForecastOptions, period_samples, predict
        from stforecast.forecast.predict import horizon_steps

        store, spec = lazy_store(obs, self.card), self.ensemble.spec
        if isinstance(period, str):
            self.ensemble.check_part(period)
        self.card.check_fits(store)
        steps = horizon_steps(self.ensemble, store, horizon)
        apart = store.axis.step.steps(every, "every")
        find = {"horizon": steps, "every": apart}
        inits, sequences = period_samples(store, spec, self.card, period, **find)
        if store.path is None:
            # a record without a store is read once, as far as it is needed and small
            start, stop = int(inits[0]) - spec.history_needed + 1, int(inits[-1]) + steps + 1
            frames = (stop - start) * store.n_sequences
            if 4 * frames * math.prod(store.shape[1:]) <= _PERIOD_BYTES:
                store = part_of(store, start, stop)
                inits, sequences = period_samples(store, spec, self.card, period, **find)
        options = ForecastOptions(
            members=members, seed=seed, interval=interval, spread=spread, batch_size=batch_size
        )
        with cluster.running(scheduler):
            return predict(self._told(future), store, inits, steps, options, sequences=sequences)

    def calibrate(
        self,
        obs: Record,
        period: str | tuple[str, str] = "validation",
        *,
        horizon: int | str | None = None,
        members: int | None = None,
        future: "Given | Sequence[Given]" = (),
    ) -> None:
        """Learn from the errors of past forecasts how sure the next ones are.

        Training does so at its end; several runs together, and longer forecasts, need it once. What
        is learned is kept in the run's folder, or in that of the first of several runs.

        Args:
            obs: a dataset like the one trained on, or a tensor store.
            period: what was not learned from: ``validation``, or first and last date.
            horizon, members, future: of the forecasts to come, as for :meth:`predict`.

        Raises:
            As :meth:`hindcast`, and where there are too few forecasts to learn from.
        """
        from stforecast.forecast import calibrate, write_calibration

        store = to_store(obs)
        told = self._told(future)
        calibration = calibrate(told, store, period=period, horizon=horizon, members=members)
        write_calibration(calibration, told)

    def _told(self, future: "Given | Sequence[Given]") -> "Ensemble":
        alone = isinstance(future, (str, Path, xr.Dataset, pd.DataFrame))
        return self.ensemble.told([future] if alone else list(future))  # type: ignore[arg-type]

    def _last(self, store: TensorStore) -> tuple[TensorStore, int]:
        """The end of a record and, in it, the last initial time."""
        from stforecast.forecast import last_init_position

        size, spec = store.shape[0], self.ensemble.spec
        end = part_of(store, size - spec.history_needed - _TAIL, size)
        try:
            position, warning = last_init_position(end, spec)
        except DataError:
            if end.shape[0] == size:
                raise
            end = part_of(store, 0, size)
            position, warning = last_init_position(end, spec)
        if warning is not None:
            warnings.warn(warning, StForecastWarning, stacklevel=4)
        return end, position


def load(folder: str | Path | Sequence[str | Path], device: Device = "auto") -> Run:
    """Load a trained run from its folder, or from the folder of its study.

    Several folders make an ensemble: runs that forecast together, each a member or more.

    RunError where there is none, it is damaged, or the runs do not go together.
    """
    folders = [folder] if isinstance(folder, (str, Path)) else list(folder)
    return Run([_run_in(Path(each)) for each in folders], device)


def _run_in(folder: Path) -> Path:
    inside = folder / "model"
    return inside if (inside / CARD).is_file() else folder
