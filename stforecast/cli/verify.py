"""`stforecast verify`: what a forecast is worth."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stforecast.cli.options import (
    TakesFiles,
    experiment_options,
    files_option,
    store_option,
    talk_options,
)
from stforecast.cli.progress import progress_bar
from stforecast.cli.records import record_of
from stforecast.cli.session import Session
from stforecast.cli.study import HINDCAST, Study, open_store, open_study, read_card, study_of_run
from stforecast.config import Experiment
from stforecast.config.outputs import VERIFICATION
from stforecast.errors import ConfigError, DataError, StForecastWarning

if TYPE_CHECKING:
    import xarray as xr

    from stforecast.store import TensorStore

_FROM_STATISTICS = ("climatology", "hour_of_week", "linear")


@click.command(
    "verify",
    cls=TakesFiles,
    epilog="""Examples:

\b
    stforecast verify                              the run of the experiment, on its test period
    stforecast verify runs/demo/model --set verification.by=[lead_time,season]
    stforecast verify gfs.nc ours.nc --observations era5/*.nc --output scores
""",
)
@click.argument("forecasts", nargs=-1, type=click.Path(), metavar="[RUN | FILE...]")
@files_option(
    "--observations",
    "observations",
    help="Score forecast FILEs against these files (or a tensor store), up to the next option.",
)
@store_option("to hindcast", "run")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FOLDER",
    help="Where scores.nc and scores.csv go [default: verification/ beside the run, or here].",
)
@experiment_options
@talk_options
def command(
    session: Session,
    forecasts: tuple[str, ...],
    observations: tuple[str, ...],
    store: str | None,
    output: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Score a run, or any forecast.

    A RUN [default: that of the experiment] forecasts its whole test period, which it never saw, and
    is scored per lead time and variable: RMSE, MAE, bias, and skill against forecasts that cost
    nothing (verification.references). With --observations, FILEs are scored instead, whoever made
    them; several are set side by side. Cells on the sphere weigh by their area.
    """
    from stforecast.verification import score_table, write_scores

    if observations:
        if not forecasts:
            raise click.UsageError("--observations needs the forecast FILEs to score against them")
        study = open_study(session, config, overrides, own_data="observations")
        folder = Path(output or VERIFICATION)
        scores = _score_files(forecasts, observations, study.experiment)
    else:
        study = _study_to_score(session, forecasts, config, overrides, store)
        folder = Path(output) if output is not None else study.verification
        scores = _score_run(session, study, folder)
    session.show(score_table(scores))
    written = write_scores(scores, folder)
    click.echo(f"Scores: {', '.join(str(path) for path in written)}")


def _study_to_score(
    session: Session,
    forecasts: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    store: str | None,
) -> Study:
    if len(forecasts) > 1 or any(Path(name).is_file() for name in forecasts):
        raise ConfigError(
            f"{forecasts[0]} is scored against observations; name them with --observations FILES"
        )
    run = forecasts[0] if forecasts else None
    return study_of_run(session, run, config, overrides, store=store)


def _score_run(session: Session, study: Study, folder: Path) -> "xr.Dataset":
    """Hindcast the test period, keep the hindcast, and score it."""
    card = read_card(study)
    record = open_store(study)
    card.check_fits(record)
    asked = study.experiment.protocol
    if asked is not None and asked != card.protocol:
        raise ConfigError(
            f"the run in {study.model} was trained under {card.protocol or 'no protocol'}, and "
            f"cannot be scored under {asked}; train a run with protocol: {asked}"
        )
    from stforecast.comparison.scoring import hindcast, score
    from stforecast.forecast import load_trained
    from stforecast.product import open_product, write_product

    options = study.experiment.verification
    model = load_trained(study.model, study.experiment.training.device)
    with progress_bar(session, "forecasting the test period") as progress:
        # a large hindcast is made as it is written
        path = write_product(hindcast(model, record, options, progress), folder / HINDCAST)
    with open_product(path) as forecasts:
        return score(forecasts, model, record, options, asked)


def _score_files(
    files: tuple[str, ...], observations: tuple[str, ...], experiment: Experiment
) -> "xr.Dataset":
    """Score forecasts, whoever made them, beside references from the observations."""
    from stforecast.product import open_product
    from stforecast.verification import verify_as_asked

    forecasts = {}
    for name in files:
        product = open_product(name)
        label = str(product.attrs.get("stforecast_run") or Path(name).stem)
        forecasts[Path(name).stem if label in forecasts else label] = product
    if len(forecasts) < len(files):
        raise ConfigError("two forecasts have the same name; rename one of the files")
    record = record_of(observations, experiment.data)
    main = next(iter(forecasts.values()))
    references = _references(main, record, experiment)
    variables = experiment.data.variables or {}
    ranges = {
        name: (variable.minimum, variable.maximum)
        for name, variable in variables.items()
        if variable.minimum is not None and variable.maximum is not None
    }
    return verify_as_asked(
        experiment.verification,
        forecasts,
        record.observations(),
        references,
        ranges,
        experiment.protocol,
    )


def _references(
    forecast: "xr.Dataset", record: "TensorStore", experiment: Experiment
) -> dict[str, "xr.Dataset"]:
    """The references asked for, with statistics from before the forecasts."""
    from stforecast.verification import references_for

    wanted = list(experiment.verification.references)
    train = _training_period(forecast, record)
    if train is None:
        left = [name for name in wanted if name in _FROM_STATISTICS]
        wanted = [name for name in wanted if name not in left]
        if left:
            verb = "is" if len(left) == 1 else "are"
            warnings.warn(
                f"{' and '.join(left)} {verb} left out: there are no observations of the training "
                "period or from before the first initial time",
                StForecastWarning,
                stacklevel=2,
            )
    given = forecast.attrs.get("stforecast_history")
    history = experiment.windows.history if given is None else int(given)
    return references_for(
        forecast,
        record,
        wanted,
        history=record.axis.step.steps(history, "windows.history"),
        train=train or (0, record.axis.size),
    )


def _training_period(forecast: "xr.Dataset", record: "TensorStore") -> tuple[int, int] | None:
    """What the run was trained on if the forecast tells, else all before the first forecast."""
    from stforecast.windows.splits import period

    begin, told, end = str(forecast.attrs.get("stforecast_training_period", "")).partition("/")
    if told:
        try:
            return period(record.axis, begin, end, "training period")
        except DataError:
            return None
    first = int(record.axis.positions(forecast["init_time"].values).min())
    return (0, min(first, record.axis.size)) if first > 0 else None
