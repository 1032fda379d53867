"""Training a model."""

import tempfile
from pathlib import Path
from typing import Any

from stforecast.api.data import Record, store_to_learn_from
from stforecast.api.options import experiment
from stforecast.api.run import Run
from stforecast.config import safe_name


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
