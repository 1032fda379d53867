"""What the errors of past forecasts tell of the next ones: made, kept beside a run, applied."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stforecast import folders
from stforecast.card import INTERVALS, IntervalsCard, RunCard
from stforecast.errors import ConfigError, DataError, RunError
from stforecast.files import written_whole
from stforecast.forecast.apart import predicted
from stforecast.forecast.conformal import Tables, make_tables
from stforecast.forecast.ensemble import Ensemble, load_ensemble
from stforecast.forecast.initial import period_samples
from stforecast.forecast.members import Members
from stforecast.forecast.options import ForecastOptions
from stforecast.options import Device
from stforecast.store import TensorStore
from stforecast.timeaxis import ends_text
from stforecast.windows.frames import Frames

_NAMES: Final = ("edges", "scale", "group", "ends", "factor", "level", "told", "minimum", "maximum")
# Bytes of forecasts whose errors are taken, and fewest and most initial times: forecasts that
# overlap tell little more than those that do not.
_BYTES = 512 * 2**20
_FEWEST, _MOST = 20, 2000
# No fewer after a training, however short it was.
_FEW_IN_HASTE = 200


@dataclass(frozen=True, eq=False)
class Calibration:
    """Tables of past errors, and of which runs and forecasts they are.

    runs: :attr:`Ensemble.identity`. period: first and last valid time. windows: forecasts whose
    errors were taken. members: of each; None where a run gives one forecast.
    """

    tables: Tables
    runs: str
    period: tuple[str, str]
    windows: int
    members: int | None

    @property
    def method(self) -> str:
        """In a few words, for the attributes of what is made with it."""
        return (
            f"split conformal prediction from the errors of {self.windows} forecasts of "
            f"{ends_text(*self.period)}, by variable, lead time, cell and value"
        )

    def check(self, steps: int) -> None:
        """ConfigError where forecasts of so many steps reach beyond the tables."""
        if steps > self.tables.lead_times:
            raise ConfigError(
                f"the errors of {self.tables.lead_times} lead times are known, and the forecast "
                f"has {steps}; make the tables with `stforecast calibrate --horizon {steps}`"
            )


def calibrate(
    ensemble: Ensemble,
    store: TensorStore,
    *,
    members: int | None = None,
    horizon: int | str | None = None,
    period: str | tuple[str, str] = "validation",
    progress: Callable[[int, int], None] | None = None,
    most: int = _MOST,
) -> Calibration:
    """Forecast a period that was not learned from, and keep what its errors say.

    Args:
        ensemble: a run, or several.
        store: the record.
        members: of an ensemble, as for a forecast.
        horizon: how far, in steps or as a duration; what was trained for by default.
        period: a part of the runs' split, or first and last date. The runs learned to be best on
            their validation period, which makes intervals a little too narrow; on the test period
            scores would be of intervals that know it.
        progress: told how many forecasts of how many are made.
        most: forecasts to make, spread evenly over the period.

    Raises:
        ConfigError: no such period. DataError: it has too few forecasts to learn from.
    """
    for model in ensemble.models:
        model.card.check_fits(store)
    if isinstance(period, str):
        ensemble.check_part(period)
    spec = ensemble.spec
    steps = spec.horizon if horizon is None else store.axis.step.steps(horizon, "the horizon")
    inits, sequences = period_samples(store, spec, ensemble.card, period, horizon=steps)
    chosen = [0] if sequences is None else sequences
    size = 4 * steps * int(np.prod(store.shape[1:]))
    samples = len(inits) * len(chosen)
    if samples < _FEWEST:
        raise DataError(
            f"the period has {samples} forecasts of {steps} steps; intervals need {_FEWEST} or more"
        )
    stretches = _stretches(inits, steps) * len(chosen)
    inits, chosen = _thinned(inits, chosen, max(_FEWEST, min(most, _BYTES // size)))
    of_sequences = None if sequences is None else chosen
    total = ensemble.total(members)
    made = Members(
        ensemble,
        store,
        len(inits) * len(chosen),
        steps,
        ForecastOptions(members=members),
        progress=progress,
    )
    means, variances, truths = [], [], []
    few = max(1, _BYTES // (16 * size * (total or 1) * len(chosen)))
    for part in np.split(inits, range(few, len(inits), few)):
        # (I, L, M[, S], C, H, W), with sequences and initial times together as windows
        values = made(of_sequences, part)
        if of_sequences is not None:
            values = np.moveaxis(values, 3, 1).reshape(-1, *values.shape[1:3], *values.shape[4:])
        means.append(values.mean(axis=2))
        if total is not None and total > 1:
            variances.append(predicted(values))
        truths.append(_observed(store, chosen, part, steps))
    tables = make_tables(
        np.concatenate(means),
        np.concatenate(truths),
        np.concatenate(variances) if variances else None,
        [channel.minimum for channel in ensemble.card.channels],
        [channel.maximum for channel in ensemble.card.channels],
        stretches,
    )
    times = [inits.min() + 1, inits.max() + steps]
    first, last = (store.axis.text_at(int(at)) for at in times)
    return Calibration(tables, ensemble.identity, (first, last), len(inits) * len(chosen), total)


def calibrate_trained(
    folder: Path,
    store: TensorStore,
    device: Device = "auto",
    notify: Callable[[str], None] | None = None,
) -> None:
    """Make and keep the tables of a run that was just trained, if it has a validation period.

    It takes about a tenth of the time of the training at most. `notify` is told where there are too
    few forecasts to learn from.
    """
    ensemble = load_ensemble([folder], device)
    card = ensemble.card
    if "validation" not in card.splits:
        return
    training = card.training
    if training.step_seconds:
        # a step of the training makes a batch of forecasts, and takes three times as long
        one = training.step_seconds / training.batch_size / 3 * (ensemble.total(None) or 1)
        most = int(np.clip(training.seconds / 10 / one, _FEW_IN_HASTE, _MOST))
    else:
        most = _MOST
    try:
        calibration = calibrate(ensemble, store, most=most)
    except DataError as error:
        if notify is not None:
            notify(f"no intervals will be known: {error}")
        return
    write_calibration(calibration, ensemble)


def _stretches(inits: NDArray[np.int64], steps: int) -> float:
    """How many forecasts of so many steps the times of all of them would be enough for."""
    covered = np.unique(inits[:, None] + np.arange(1, steps + 1)).size
    return float(covered / steps)


def _thinned(
    inits: NDArray[np.int64], sequences: list[int], most: int
) -> tuple[NDArray[np.int64], list[int]]:
    """Evenly spaced ones, so that no more than about `most` forecasts are made."""
    few = max(1, most // len(inits))
    if len(sequences) > few:
        at = np.linspace(0, len(sequences) - 1, few).round().astype(int)
        sequences = [sequences[number] for number in at]
    count = max(1, most // len(sequences))
    if len(inits) > count:
        inits = inits[np.linspace(0, len(inits) - 1, count).round().astype(int)]
    return inits, sequences


def _observed(
    store: TensorStore, sequences: list[int], inits: NDArray[np.int64], steps: int
) -> NDArray[np.float32]:
    """What was observed (I·S, L, C, H, W), the sequences of an initial time together."""
    frames = Frames(store, cache_bytes=0)
    positions = inits[:, None] + np.arange(1, steps + 1)
    numbers = np.tile(np.asarray(sequences, np.int64), len(inits))
    found = frames.gather(numbers, positions.repeat(len(sequences), axis=0))
    return np.asarray(found.numpy())


def path_of(ensemble: Ensemble) -> Path:
    """Where the tables of a run, or of several, are kept: in the folder of the first."""
    if not ensemble.folders:
        raise ConfigError("the runs were not loaded from folders, so they have no tables")
    name = INTERVALS
    if len(ensemble.models) > 1:
        name = f"{Path(INTERVALS).stem}-{ensemble.identity}{Path(INTERVALS).suffix}"
    return ensemble.folders[0] / name


def write_calibration(calibration: Calibration, ensemble: Ensemble) -> Path:
    """Keep the tables beside the runs; those of a single run are told on its card.

    RunError where the folder cannot be written.
    """
    path = path_of(ensemble)
    about = {
        "runs": calibration.runs,
        "period": list(calibration.period),
        "windows": calibration.windows,
        "members": calibration.members,
    }
    tables = {name: np.ascontiguousarray(getattr(calibration.tables, name)) for name in _NAMES}
    content = save(tables, metadata={"stforecast": json.dumps(about)})
    if len(ensemble.models) > 1:
        with written_whole(path, "the tables of past errors") as beside:
            beside.write_bytes(content)
        return path
    card = RunCard.read(path.parent)
    card.intervals = IntervalsCard(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        period=calibration.period,
        windows=calibration.windows,
        members=calibration.members,
        lead_times=calibration.tables.lead_times,
    )
    folder = path.parent.resolve()
    changed = folders.partial_beside(folder)
    try:
        # card and tables change in one step, as in every save of a run
        folders.clone(folder, changed)
        with written_whole(changed / path.name, "the tables of past errors") as beside:
            beside.write_bytes(content)
        card.write(changed)
        folders.swap(changed, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"cannot write {path}: {reason}; make room or change the rights of the folder"
        ) from error
    finally:
        shutil.rmtree(changed, ignore_errors=True)
    return path


def has_calibration(ensemble: Ensemble) -> bool:
    """Whether tables of past errors are kept beside the runs."""
    return _found(ensemble) is not None


def _found(ensemble: Ensemble) -> Path | None:
    if not ensemble.folders:
        return None
    name = path_of(ensemble).name
    return next((at / name for at in ensemble.folders if (at / name).is_file()), None)


def read_calibration(ensemble: Ensemble) -> Calibration:
    """The tables of a run, or of several in any order.

    RunError where there are none, or they are damaged, or of other weights; says how to make them.
    """
    places = ensemble.folders
    remedy = "make them with `stforecast calibrate " + " ".join(map(str, places)) + "`"
    path = _found(ensemble)
    if path is None:
        raise RunError(
            f"past errors of the run {ensemble.name!r} are not known, and so no interval; {remedy}"
        )
    try:
        content = path.read_bytes()
        with safe_open(path, "np") as file:
            about: dict[str, Any] = json.loads(file.metadata()["stforecast"])
            found = {key: file.get_tensor(key) for key in _NAMES}
        calibration = Calibration(
            Tables(**found),
            about["runs"],
            (about["period"][0], about["period"][1]),
            int(about["windows"]),
            about["members"],
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"the tables {path} cannot be read ({error}); {remedy} anew") from error
    told = RunCard.read(places[0]).intervals if len(places) == 1 else None
    if told is not None and told.sha256 != hashlib.sha256(content).hexdigest():
        raise RunError(f"the tables {path} are not those that the card tells of; {remedy} anew")
    if calibration.runs != ensemble.identity:
        raise RunError(f"the tables {path} are of other weights than the run's; {remedy} anew")
    return calibration
