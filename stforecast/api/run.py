"""Training, and runs that forecast."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from stforecast import cluster
from stforecast.api.data import Record, lazy_store, part_of, store_to_learn_from, to_store
from stforecast.api.options import experiment
from stforecast.card import CARD, RunCard
from stforecast.config import safe_name
from stforecast.errors import StForecastWarning
from stforecast.store import TensorStore

if TYPE_CHECKING:
    from stforecast.forecast import Ensemble, TrainedModel
    from stforecast.windows.covariates import Given

Device = Literal["auto", "cuda", "mps", "cpu"]
Spread = Literal["auto", "raw", "calibrated"]
# Steps that are read from the end of a record, beyond a history, to find its last whole one.
_TAIL = 64
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
            f"horizon {card.windows['horizon']} steps of {card.time_step}, in {self.folder}>"
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
        spread: Spread = "auto",
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
        from stforecast.forecast import init_position, predict

        store, spec = lazy_store(history, self.card), self.ensemble.spec
        self.card.check_fits(store)
        if init_time is None:
            store, position = self._last(store)
        else:
            position = init_position(store, spec, init_time)
            stamp = store.axis.times_at(position)[()]
            store = part_of(store, position - spec.history_needed + 1, position + 1)
            position = int(store.axis.positions(stamp))
        return predict(
            self._told(future),
            store,
            [position],
            horizon,
            members=members,
            seed=seed,
            interval=interval,
            spread=spread,
            batch_size=batch_size,
        )

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
        spread: Spread = "auto",
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
        from stforecast.forecast import period_samples, predict
        from stforecast.forecast.predict import horizon_steps

        store, spec = lazy_store(obs, self.card), self.ensemble.spec
        if isinstance(period, str):
            self.ensemble.check_part(period)
        self.card.check_fits(store)
        steps = horizon_steps(self.ensemble, store, horizon)
        apart = store.axis.step.steps(every, "every")
        find = {"horizon": steps, "every": apart}
        if store.path is None:
            inits, _ = period_samples(store, spec, self.card, period, **find)
            start, stop = int(inits[0]) - spec.history_needed + 1, int(inits[-1]) + steps + 1
            size = 4 * (stop - start) * store.n_sequences
            for length in store.shape[1:]:
                size *= length
            if size <= _PERIOD_BYTES:
                store = part_of(store, start, stop)
        inits, sequences = period_samples(store, spec, self.card, period, **find)
        with cluster.running(scheduler):
            return predict(
                self._told(future),
                store,
                inits,
                horizon,
                members=members,
                seed=seed,
                interval=interval,
                spread=spread,
                sequences=sequences,
                batch_size=batch_size,
            )

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
        from stforecast.errors import DataError
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


def train(
    data: Record,
    *,
    model: str = "simvp",
    history: int | str = 4,
    horizon: int | str = 4,
    train: Any = None,
    validation: Any = None,
    test: Any = None,
    name: str | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train a model.

    Args:
        data: a dataset of :func:`open_data`, any CF dataset of gridded fields, or a tensor store.
        model: name of the system.
        history, horizon: what it sees and forecasts, in steps or as durations such as ``12h``.
        train, validation, test: periods as first and last date, or fractions of the record; what
            is not given is taken from the rest.
        name: the run's name; it then goes to ``runs/<name>/model``.
        folder: where the run goes; without name and folder to a new temporary folder.
        resume, replace: go on with, or train anew, a run that is in the folder.
        progress: show a progress bar on a terminal.
        settings: any setting of the training (``max_time``, ``max_epochs``, ``seed``…), of the
            windows (``departure``, ``covariates``), of the model, or its ``preset``; or a
            ``protocol``.

    Returns:
        The run, with its best weights.

    Raises:
        ConfigError: settings that do not exist or do not fit. DataError: data that no training can
        begin with. RunError: a run in the way, a device that is not there, a loss not finite.
    """
    from stforecast.forecast import calibrate_trained
    from stforecast.training import train as train_run

    chosen = experiment(
        "train",
        name or safe_name(model),  # of a variant without the colon
        model,
        {"history": history, "horizon": horizon},
        {"train": train, "validation": validation, "test": test},
        settings,
    )
    store = store_to_learn_from(data)
    if folder is None:
        folder = (
            Path(chosen.runs) / chosen.name / "model"
            if name is not None
            else Path(tempfile.mkdtemp(prefix="stforecast-")) / "model"
        )
    train_run(
        store,
        folder,
        name=chosen.name,
        windows=chosen.windows,
        split=chosen.data.split,
        model=chosen.model,
        training=chosen.training,
        experiment=chosen.model_dump(mode="json"),
        resume=resume,
        replace=replace,
        progress=progress,
    )
    calibrate_trained(Path(folder), store, chosen.training.device)
    return Run(folder, chosen.training.device)
