"""`stforecast forecast`: a trained run becomes a forecast."""

import warnings
from typing import TYPE_CHECKING, Literal

import click

from stforecast.cli.cluster import scheduler_option, working
from stforecast.cli.options import (
    TakesFiles,
    experiment_options,
    files_option,
    store_option,
    talk_options,
)
from stforecast.cli.progress import progress_bar
from stforecast.cli.records import options_of_history, record_of
from stforecast.cli.session import Session
from stforecast.cli.study import open_store, read_card, study_of_runs
from stforecast.errors import StForecastWarning
from stforecast.options import ClusterOptions, MemberSpread

if TYPE_CHECKING:
    from stforecast.forecast import Ensemble
    from stforecast.store import TensorStore


@click.command(
    "forecast",
    cls=TakesFiles,
    epilog="""Examples:

\b
    stforecast forecast --horizon 4                  from the end of the record
    stforecast forecast -c taxi.yaml --horizon 24h --init-time 2013-07-01T06
    stforecast forecast --period test --every 6h     one forecast every six hours
    stforecast forecast --period test --scheduler tcp://node1:8786   on a dask cluster
    stforecast forecast --future weather_tomorrow.csv  with what is known by now
    stforecast forecast --max-age 2h                 fail if the store has nothing newer
    stforecast forecast runs/demo/model --history last_years.nc --output next.nc
    stforecast forecast runs/a runs/b runs/c --interval 0.9    an ensemble of three runs
""",
)
@click.argument("runs", nargs=-1, type=click.Path(), metavar="[RUN...]")
@click.option(
    "--horizon",
    metavar="STEPS|DURATION",
    help="How far to forecast, 4 steps or 24h; beyond what the model learned it goes on from its "
    "own forecast [default: what the model learned].",
)
@click.option(
    "--init-time",
    metavar="TIME",
    help="The last time of the history, such as 2013-07-01T06 [default: the last of the record].",
)
@click.option(
    "--max-age",
    metavar="DURATION",
    help="Fail if the last time that has values is longer ago than this, such as 2h or 1D, by the "
    "clock on the wall.",
)
@click.option(
    "--period",
    metavar="PERIOD",
    help="Forecast from every time of a period: train, validation, test, or FIRST/LAST dates.",
)
@click.option(
    "--every",
    metavar="STEPS|DURATION",
    help="With --period: from one initial time to the next [default: 1 step].",
)
@click.option(
    "--members",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many forecasts from each time, of all RUNs together; more than one of a run takes "
    "training.loss: crps [default: one of each run, or 10].",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Of the noise that the members of such runs differ by [default: 0].",
)
@click.option(
    "--interval",
    type=float,
    metavar="COVERAGE",
    help="Add bounds that hold so many of the observations, such as 0.9, by the errors of past "
    "forecasts (stforecast calibrate).",
)
@click.option(
    "--spread",
    type=click.Choice(["auto", "raw", "calibrated"]),
    default="auto",
    help="Whether members differ as much as past forecasts erred; auto: where that is known "
    "[default: auto].",
)
@files_option(
    "--history",
    "history",
    help="Files to take the history from, up to the next option, in place of a tensor store.",
)
@files_option(
    "--future",
    "future",
    help="Files with new values of what the run is told from files (weather, plans), up to the "
    "next option.",
)
@store_option("to take the history from", "run")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="The forecast to write, .nc or .zarr [default: forecast.nc beside the run].",
)
@click.option(
    "--layout",
    type=click.Choice(["forecast", "time"]),
    default="forecast",
    show_default=True,
    help="forecast: along initial and lead times; time: one forecast along plain (time, y, x), for "
    "CDO, ncview and GIS.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace OUTPUT, also where it is something else than a forecast made here.",
)
@scheduler_option
@experiment_options
@talk_options
def command(
    session: Session,
    runs: tuple[str, ...],
    horizon: str | None,
    init_time: str | None,
    max_age: str | None,
    period: str | None,
    every: str | None,
    history: tuple[str, ...],
    future: tuple[str, ...],
    members: int | None,
    seed: int,
    interval: float | None,
    spread: MemberSpread,
    store: str | None,
    output: str | None,
    layout: Literal["forecast", "time"],
    overwrite: bool,
    scheduler: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Forecast with a trained run, or with several together.

    RUN is the folder of a run [default: that of the experiment]; several make an ensemble. Only a
    history is needed, from the end of the tensor store unless --init-time, --period or --history
    say otherwise. The forecast has the grid, the coordinates and the names of the source, an
    initial and a lead time.
    """
    if init_time is not None and period is not None:
        raise click.UsageError("--init-time and --period exclude each other")
    if max_age is not None and (init_time is not None or period is not None):
        raise click.UsageError("--max-age is for forecasts from the end of the record")
    if every is not None and period is None:
        raise click.UsageError("--every goes with --period")
    if history and store is not None:
        raise click.UsageError("--history and --store exclude each other")
    if scheduler is not None and period is None:
        raise click.UsageError("--scheduler goes with --period: one forecast is made here")
    if scheduler is not None and history:
        raise click.UsageError(
            "--scheduler needs a tensor store, which workers open; ingest the --history first"
        )
    study, folders = study_of_runs(session, runs, config, overrides, store=store)
    from stforecast.product.write import check_output, write_product

    path = check_output(output or study.forecast, overwrite=overwrite)
    card = read_card(study)
    if history:
        record = record_of(history, options_of_history(card, study.experiment.data))
    else:
        record = open_store(study)
    card.check_fits(record)
    if max_age is not None:
        from stforecast.store.age import check_age

        check_age(record, max_age)
    steps = record.axis.step.steps(horizon, "horizon") if horizon is not None else None
    from stforecast.forecast import MOST_HELD, ForecastOptions, load_ensemble, predict

    model = load_ensemble(folders, study.experiment.training.device)
    model = model.told(future, study.experiment.windows.covariates)
    if period is not None:
        inits, sequences = _of_period(model, record, period, steps, every)
    else:
        inits, sequences = [_single(model, record, init_time)], None
    asked = ForecastOptions(members=members, seed=seed, interval=interval, spread=spread)
    workers = study.experiment.cluster if period is not None and not history else ClusterOptions()
    with (
        working(session, workers, scheduler),
        progress_bar(session, "forecasting") as progress,
    ):
        product = predict(
            model,
            record,
            inits,
            steps,
            asked,
            sequences=sequences,
            progress=progress,
            lazy_above=MOST_HELD,
        )
        write_product(product, path, layout=layout, overwrite=overwrite)
    click.echo(f"Forecast: {path}")
    session.say(_summary(record, inits, product.sizes["lead_time"]))
    if output is None:
        session.say(f"Next: stforecast verify{study.run_flags}")


def _single(model: "Ensemble", record: "TensorStore", init_time: str | None) -> int:
    """The initial time asked for, else the last one that has its history."""
    from stforecast.forecast import init_position, last_init_position

    if init_time is not None:
        return init_position(record, model.spec, init_time)
    position, warning = last_init_position(record, model.spec)
    if warning is not None:
        warnings.warn(warning, StForecastWarning, stacklevel=2)
    return position


def _of_period(
    model: "Ensemble",
    record: "TensorStore",
    period: str,
    steps: int | None,
    every: str | None,
) -> tuple[list[int], list[int] | None]:
    """All initial times of a part of the split, or of a period of dates."""
    from stforecast.forecast import period_samples

    first, slash, last = period.partition("/")
    if not slash:
        model.check_part(period)
    inits, sequences = period_samples(
        record,
        model.spec,
        model.card,
        (first, last) if slash else period,
        horizon=steps or model.spec.horizon,
        every=1 if every is None else record.axis.step.steps(every, "every"),
    )
    return inits.tolist(), sequences


def _summary(record: "TensorStore", inits: list[int], leads: int) -> str:
    axis = record.axis
    steps = axis.step.counted(leads, "time step")
    if len(inits) == 1:
        return f"{steps} after {axis.text_at(inits[0])}"
    first, last = axis.text_at(inits[0]), axis.text_at(inits[-1])
    return f"{steps} after each of {len(inits)} initial times from {first} to {last}"
