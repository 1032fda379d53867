"""Several models on the same data, side by side."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from stforecast.api.data import Record, store_to_learn_from
from stforecast.api.options import experiment_tree
from stforecast.config import Change, Experiment, experiment_of
from stforecast.config.outputs import ABLATION, COMPARISON
from stforecast.errors import ConfigError, StForecastWarning

_NAME = "comparison"


def compare(
    data: Record,
    models: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    preset: str | None = None,
    ablation: bool = False,
    history: int | str = 4,
    horizon: int | str = 4,
    train: Any = None,
    validation: Any = None,
    test: Any = None,
    references: Sequence[str] = ("persistence", "climatology"),
    name: str | None = None,
    folder: str | Path | None = None,
    replace: bool = False,
    progress: bool = True,
    **settings: Any,
) -> xr.Dataset:
    """Train several models on the same data, splits and budget, and score them alike.

    What is there already is kept: called again it trains only what is missing. Tables, a figure of
    error against cost and a run per model and seed are left in the folder.

    Args:
        data: a dataset of :func:`open_data`, any CF dataset of gridded fields, or a tensor store.
        models: names of systems and variants, such as ``simvp:tau``; or for each label what differs
            from the rest, ``{"wide": {"model": {"name": "simvp", "hid_T": 512}}}``, also for
            ``training``; by default every system.
        seeds: each model is trained once with each of them.
        preset: settings that all models have under this name, such as ``small``.
        ablation: the models of SimVP's ablation study, of which `models` may choose.
        history, horizon, train, validation, test: as for :func:`train`.
        references: what is scored beside the models, see :func:`references`; persistence and
            climatology always are.
        name: the results then go to ``runs/<name>/compare``.
        folder: where the results go; without name and folder to a new temporary folder.
        replace: train anew the runs that are there and were trained with other settings.
        progress: show a progress bar on a terminal.
        settings: any setting of the training (``max_time``, ``batch_size``…) or of the windows.

    Returns:
        ``rmse, mae, bias (model, seed, variable, lead_time)``; the same with ``_over_leads`` of all
        lead times together; ``skill`` and ``reference_rmse``… of the references; ``parameters``,
        ``multiply_adds``, ``steps``, ``step_seconds``; ``failure`` says why a run has no scores.

    Raises:
        ConfigError: settings that do not exist or do not fit. DataError: data that no training can
        begin with. RunError: a run that is there was trained otherwise, or none could be scored.
    """
    from stforecast.api.contenders import ablation_of, contenders_of
    from stforecast.comparison import check_groups, gather, make_campaign, write_comparison

    windows = {"history": history, "horizon": horizon}
    split = {"train": train, "validation": validation, "test": test}
    tree = experiment_tree("compare", name or _NAME, "simvp", windows, split, settings)
    stray = [key for key in tree["model"] if key != "name"]
    if stray:
        raise ConfigError(
            f"compare: {stray[0]} is no setting of the training or of the windows; one of a model "
            f"goes to models, as in {{'simvp': {{'model': {{{stray[0]!r}: …}}}}}}"
        )
    tree["verification"] = {"references": list(references)}
    if isinstance(models, Mapping):
        tree["compare"] = {label: dict(differs) for label, differs in models.items()}

    def load(change: Change) -> Experiment:
        return experiment_of(tree, (), "compare", change)

    chosen = experiment_of(tree, (), "compare")
    asked: Any = (
        chosen,
        load,
        lambda experiment: experiment.model_dump(mode="json"),
        None if models is None else list(models),
        preset,
    )
    contenders, notes = ablation_of(*asked) if ablation else (contenders_of(*asked), [])
    if folder is None:
        place = Path(chosen.runs) / chosen.name
        if name is None:
            place = Path(tempfile.mkdtemp(prefix="stforecast-"))
        folder = place / (ABLATION if ablation else COMPARISON)
    campaign = make_campaign(
        store_to_learn_from(data),
        Path(folder),
        contenders,
        list(seeds),
        name=chosen.name,
        windows=chosen.windows,
        split=chosen.data.split,
        verification=chosen.verification,
        replace=replace,
        check=check_groups if ablation else None,
    )
    for note in [*notes, *campaign.notes]:
        warnings.warn(note, StForecastWarning, stacklevel=2)
    done = campaign.run(progress=progress)
    for item in done:
        if item.failure:
            warnings.warn(
                f"{item.run.words} failed: {item.failure}", StForecastWarning, stacklevel=2
            )
    result = gather(campaign, done)
    write_comparison(result, Path(folder))
    return result.assign_attrs(folder=str(folder))
