"""`stforecast models`: the systems there are, and what each would cost."""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stforecast.cli.costs import (
    NOTHING,
    check_writable,
    count_text,
    shape_text,
    write_json,
)
from stforecast.cli.options import experiment_options, talk_options
from stforecast.cli.session import Session
from stforecast.cli.study import Study, carried_over, open_study
from stforecast.config import Experiment, load_experiment
from stforecast.config.presets import model_presets
from stforecast.errors import ConfigError, StForecastWarning
from stforecast.timeaxis import TimeStep

if TYPE_CHECKING:
    from stforecast.models import SampleShape

# The grid, and what else the experiment does not tell, where there is no store.
DEFAULT_PRESET = "taxibj"

COUNTS = ("parameters", "multiply_adds")


@click.command(
    "models",
    epilog="""Examples:

\b
    stforecast models
    stforecast models -c taxi.yaml --set windows.history=12
    stforecast train -c taxi.yaml --set model.name=predrnn
""",
)
@click.option("--json", "json_file", type=click.Path(), metavar="FILE", help="Write the list too.")
@experiment_options
@talk_options
def command(
    session: Session, json_file: str | None, config: str | None, overrides: tuple[str, ...]
) -> None:
    """List the systems that --set model.name=NAME can name.

    For each: its paper, its parameters, the multiply-adds of one forecast of one sample of the
    experiment, and its presets. They are counted as --set model.name=NAME makes them of the
    experiment, or with their defaults where its settings are not theirs. Nothing is made or run:
    the numbers are counted on tensors without data.
    """
    place = None if json_file is None else check_writable(json_file)
    study = open_study(session, config, overrides)
    shape, origin = _shape(study)
    session.say(f"Counted for {shape_text(shape)}: {origin}.")
    rows = _rows(config, overrides, shape)
    session.show(_table(rows))
    for row in rows:
        if "problem" in row:
            session.note(f"{row['model']}: {row['problem']}")
    if place is not None:
        write_json(place, rows)
        click.echo(f"List: {place}")


def _shape(study: Study) -> tuple["SampleShape", str]:
    """The shape of the experiment's samples, and where it is from."""
    from stforecast.profiling.shapes import PRESET_SHAPES, shape_of_record

    experiment = study.experiment
    if not isinstance(study.store, Path) or study.store.exists():
        from stforecast.store import TensorStore

        store = TensorStore.open(study.store)
        shape = shape_of_record(store, experiment.windows, experiment.data.split)
        return shape, f"samples of {study.store}"
    names = (experiment.model.preset, experiment.name)
    preset = next((name for name in names if name in PRESET_SHAPES), DEFAULT_PRESET)
    return _planned_shape(experiment, PRESET_SHAPES[preset]), (
        f"there is no {study.store} yet, so the grid is that of {preset}"
    )


def _planned_shape(experiment: Experiment, otherwise: "SampleShape") -> "SampleShape":
    """What an experiment tells of its samples before its data are read, without covariates."""
    data, windows = experiment.data, experiment.windows
    step = TimeStep.parse(data.time_step) if data.time_step else None

    def steps(length: int | str, if_unknown: int) -> int:
        if isinstance(length, int) or length.strip().isdigit():
            return int(length)
        return step.steps(length, "windows") if step is not None else if_unknown

    return dataclasses.replace(
        otherwise,
        in_steps=steps(windows.history, otherwise.in_steps),
        out_steps=steps(windows.horizon, otherwise.out_steps),
        channels=len(data.variables) if data.variables else otherwise.channels,
    )


def _rows(
    config: str | None, overrides: tuple[str, ...], shape: "SampleShape"
) -> list[dict[str, Any]]:
    from stforecast.models import variants
    from stforecast.models.cost import count_costs
    from stforecast.models.registry import paper

    rows = []
    for name in variants():
        settings, origin = _settings(name, config, overrides)
        row: dict[str, Any] = {"model": name, "paper": paper(name), "presets": own_presets(name)}
        try:
            row |= {**vars(count_costs(name, shape, **settings)), "counted_with": origin}
        except ConfigError as error:  # a system that does not take this shape
            row["problem"] = str(error)
        rows.append(row)
    return rows


def _settings(
    name: str, config: str | None, overrides: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """The settings that a system has in the experiment, and what they are called."""
    from stforecast.models.registry import complete_settings

    try:
        with warnings.catch_warnings():
            # that settings of the experiment's own system are left out is what the list tells
            warnings.simplefilter("ignore", StForecastWarning)
            named = (*overrides, f"model.name={name}")
            experiment = load_experiment(config, named, carry=carried_over).experiment
        settings = experiment.model.settings
        complete_settings(name, settings)
    except ConfigError:  # settings of another variant
        return {}, "defaults"
    return settings, "experiment" if settings else "defaults"


def own_presets(name: str) -> list[str]:
    """Presets of a system, without those of its variants."""
    from stforecast.models import variants

    prefixes = [
        f"{other.partition(':')[2]}_" for other in variants() if other.startswith(f"{name}:")
    ]
    return [
        preset
        for preset in model_presets(name)
        if not any(preset.startswith(prefix) for prefix in prefixes)
    ]


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right", no_wrap=True)
    table.add_column("counted with")
    table.add_column("presets")
    table.add_column("paper")
    for row in rows:
        table.add_row(
            row["model"],
            *(count_text(row[key]) if key in row else NOTHING for key in COUNTS),
            row.get("counted_with", NOTHING),
            ", ".join(row["presets"]) or NOTHING,
            row["paper"],
        )
    return table
