"""Public weights as a run: :func:`import_weights`."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stforecast.card import BEST_WEIGHTS, ImportCard, ModelCard, RunCard, TrainingCard
from stforecast.errors import ConfigError, DataError
from stforecast.models import Forecaster, SampleShape, from_published
from stforecast.models.published.checkpoint import Checkpoint, read_checkpoint
from stforecast.models.published.weights import Rolled
from stforecast.options import SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.files import write_weights
from stforecast.training.hardware import Hardware
from stforecast.training.plan import make_card, make_plan
from stforecast.training.progress import Notify
from stforecast.training.runfolder import RunFolder
from stforecast.windows import Statistics, WindowSpec, resolve_windows
from stforecast.windows.spec import Scaling

# Sizes that the data and the windows say, and a spec cannot.
_OF_THE_DATA = {
    "in_steps": "windows.history",
    "out_steps": "windows.horizon",
    "channels": "the variables of the data",
    "height": "the grid of the data",
    "width": "the grid of the data",
}
_USED_BY: dict[Scaling, tuple[str, ...]] = {
    "standard": ("mean", "std"),
    "minmax": ("minimum", "maximum"),
    "minmax_symmetric": ("minimum", "maximum"),
    "none": (),
}


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """What weights were trained with, per channel and in its units; None for the training period's.

    One value stands for all channels.
    """

    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    minimum: Sequence[float] | None = None
    maximum: Sequence[float] | None = None


def import_weights(
    layout: str,
    file: str | Path,
    store: TensorStore,
    folder: str | Path,
    *,
    name: str,
    windows: WindowOptions,
    split: SplitOptions,
    spec: Mapping[str, Any] | None = None,
    normalisation: Normalisation | None = None,
    experiment: dict[str, Any] | None = None,
    replace: bool = False,
    notify: Notify | None = None,
) -> RunCard:
    """Leave a run in `folder` that computes what a public implementation does with its weights.

    The run's horizon is what the weights forecast at once: of SimVP as many steps as it is given,
    of a recurrent system as many as are asked for. What goes beyond is forecast from the forecast,
    as with every run. Convolutions pad as the public ones do, with zeros also round the globe, and
    missing cells enter as the mean, of which public weights know nothing.

    Args:
        layout: name of the public code base, one of :data:`stforecast.models.published.LAYOUTS`.
        file: the weights, see :func:`stforecast.models.published.checkpoint.read_checkpoint`.
        store: the data, whose grid, variables, step and calendar the run is for.
        folder: the run's folder; it appears whole or not at all.
        name: the run's name, for its card.
        windows: history, horizon and scaling of a sample.
        split: periods of the data; statistics are those of the training period.
        spec: sizes that neither the weights nor the file's metadata tell, such as ``patch_size``.
        normalisation: what takes the place of the statistics.
        experiment: the resolved experiment file, kept on the card.
        replace: put the run in the place of one in `folder`.
        notify: is given lines for the user.

    Returns:
        The card of the run.

    Raises:
        ConfigError: an unknown layout, or windows, sizes or a normalisation that do not fit.
        DataError: a file that holds no weights, weights that do not fit the layout (named), or a
            record without a training period.
        RunError: there is a run in the folder, or it cannot be written.
    """
    window = resolve_windows(windows, store.axis.step)
    _refuse_what_weights_do_not_know(window)
    checkpoint = read_checkpoint(file)
    model = _model(layout, checkpoint, spec or {}, store, window)
    horizon = model.shape.out_steps
    run = RunFolder.create(Path(folder), replace)
    try:
        plan = make_plan(store, windows.model_copy(update={"horizon": horizon}), split)
        assert isinstance(window.scaling, str)
        statistics = _statistics(
            plan.statistics, normalisation or Normalisation(), window.scaling, store.channels
        )
        system = ModelCard(name=model.name, settings=model.settings)
        card = make_card(
            name,
            plan,
            store,
            system,
            TrainingOptions(),
            Hardware("cpu", "float32"),
            _experiment(experiment, model, None if horizon == window.horizon else horizon),
        ).model_copy(
            update={
                "shape": dataclasses.asdict(model.shape),
                "statistics": statistics.to_json(),
                "imported": ImportCard(layout=layout, file=str(file), sha256=_sha256(Path(file))),
                "training": TrainingCard(budget={}, batch_size=0, samples=0, finished=True),
            }
        )
        with run.saving() as path:
            write_weights(path / BEST_WEIGHTS, model.state_dict(), {"layout": layout})
            card.write(path)
    finally:
        run.abandon()
    if notify is not None and horizon != window.horizon:
        notify(
            f"these weights forecast {horizon} steps at once, and that is the run's horizon; "
            "longer forecasts go on from there"
        )
    return card


def _refuse_what_weights_do_not_know(window: WindowSpec) -> None:
    if window.covariates or window.tells_climatology:
        raise ConfigError("public weights know no covariates; set windows.covariates to []")
    for option, changed in (
        ("departure", window.has_departures),
        ("function", window.has_functions),
    ):
        if changed:
            raise ConfigError(
                f"windows.{option} is {getattr(window, option)}, and public weights forecast the "
                "values themselves; set it to none"
            )
    if window.lags:
        raise ConfigError("public weights know no lagged frames; set windows.lags to []")
    if not isinstance(window.scaling, str):
        raise ConfigError("public weights scale all variables alike; give one windows.scaling")


def _model(
    layout: str,
    checkpoint: Checkpoint,
    spec: Mapping[str, Any],
    store: TensorStore,
    window: WindowSpec,
) -> Forecaster:
    """The system with these weights, for samples of this data."""
    for key in spec:
        if key in _OF_THE_DATA:
            raise ConfigError(f"{key} is not for the spec: it comes from {_OF_THE_DATA[key]}")
    sizes = {**checkpoint.spec, **spec}
    channels, height, width = store.shape[1:]
    shape = SampleShape(window.history, window.horizon, channels, height, width)
    if sizes.get("channels", channels) != channels:
        raise ConfigError(_other_channels(sizes["channels"], channels))
    of_data = {key: getattr(shape, key) for key in _OF_THE_DATA}
    try:
        return _made(layout, checkpoint.weights, {**sizes, **of_data})
    except (ConfigError, DataError) as error:
        sizes = {key: value for key, value in sizes.items() if key not in of_data}
        reason = _what_differs(layout, checkpoint.weights, sizes, of_data)
        raise (error if reason is None else ConfigError(reason)) from None


def _made(layout: str, weights: Mapping[str, Tensor], spec: Mapping[str, Any]) -> Forecaster:
    made = from_published(layout, weights, spec)
    if isinstance(made, Rolled):  # a run's forecasts roll out by themselves
        made = made.model
    assert isinstance(made, Forecaster)
    return made


def _what_differs(
    layout: str,
    weights: Mapping[str, Tensor],
    sizes: Mapping[str, Any],
    of_data: Mapping[str, int],
) -> str | None:
    """What the data is that the weights are not for, if they are fit for something else."""
    for keys in (("in_steps", "out_steps"), ("channels",), ("height", "width")):
        kept = {key: value for key, value in of_data.items() if key not in keys}
        try:
            theirs = _made(layout, weights, {**sizes, **kept}).shape
        except (ConfigError, DataError):
            continue
        if keys[0] == "in_steps":
            return (
                f"the weights take a history of {theirs.in_steps} steps, and windows.history comes "
                f"to {of_data['in_steps']}; set it to {theirs.in_steps}"
            )
        if keys[0] == "channels":
            return _other_channels(theirs.channels, of_data["channels"])
        return (
            f"the weights belong to a grid of {theirs.height} × {theirs.width} cells, and the data "
            f"has {of_data['height']} × {of_data['width']}"
        )
    return None


def _other_channels(theirs: int, ours: int) -> str:
    return (
        f"the weights are for {theirs} variables, and the data has {ours}; choose among them by "
        "data.variables"
    )


def _statistics(
    found: Statistics, given: Normalisation, scaling: Scaling, channels: Sequence[str]
) -> Statistics:
    """Statistics by which the data is scaled as the weights know it."""
    used = _USED_BY[scaling]
    values = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    strange = [key for key, value in values.items() if value is not None and key not in used]
    if strange:
        fit = [kind for kind, keys in _USED_BY.items() if strange[0] in keys]
        raise ConfigError(
            f"a {strange[0]} is given, which windows.scaling {scaling} does not use; "
            f"set it to {' or '.join(fit)}"
        )
    told: dict[str, Any] = {
        key: _per_channel(key, values[key], channels) for key in used if values[key] is not None
    }
    if len(told) == 1:
        raise ConfigError(f"{used[0]} and {used[1]} are given together or not at all")
    if "std" in told and (told["std"] <= 0).any():
        raise ConfigError("each std must be above 0")
    if "maximum" in told:
        if (told["maximum"] <= told["minimum"]).any():
            raise ConfigError("each maximum must be above its minimum")
        # A channel that does not vary in this data still has the range that is given.
        told["std"] = np.where(found.constant, told["maximum"] - told["minimum"], found.std)
    # A mask of missing cells would be one more input.
    return dataclasses.replace(found, **told, missing=np.zeros_like(found.missing))


def _per_channel(key: str, values: Sequence[float], channels: Sequence[str]) -> NDArray[np.float64]:
    if len(values) not in (1, len(channels)):
        raise ConfigError(
            f"{key} has {len(values)} values for {len(channels)} variables "
            f"({', '.join(channels)}); give one each, or one for all"
        )
    found = np.broadcast_to(np.asarray(values, np.float64), len(channels)).copy()
    if not np.isfinite(found).all():
        raise ConfigError(f"{key} must be finite numbers")
    return found


def _experiment(
    experiment: dict[str, Any] | None, model: Forecaster, horizon: int | None
) -> dict[str, Any] | None:
    """The experiment with the model that the weights came with, and another horizon if need be."""
    if experiment is None:
        return None
    whole = {**experiment, "model": {"name": model.name, "preset": None, **model.settings}}
    if horizon is not None:
        whole["windows"] = {**experiment["windows"], "horizon": horizon}
    return whole


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
