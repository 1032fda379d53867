"""`stforecast calibrate`: learn from past errors how sure a forecast is."""

import click

from stforecast.cli.options import experiment_options, store_option, talk_options
from stforecast.cli.progress import progress_bar
from stforecast.cli.session import Session
from stforecast.cli.study import open_store, read_card, study_of_runs


@click.command(
    "calibrate",
    epilog="""Examples:

\b
    stforecast calibrate                              the run of the experiment
    stforecast calibrate runs/demo --horizon 24h      for forecasts beyond what it learned
    stforecast calibrate runs/a runs/b runs/c         an ensemble of three runs
""",
)
@click.argument("runs", nargs=-1, type=click.Path(), metavar="[RUN...]")
@click.option(
    "--horizon",
    metavar="STEPS|DURATION",
    help="How far the forecasts will go [default: what the model learned].",
)
@click.option(
    "--members",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many members they will have [default: as of stforecast forecast].",
)
@click.option(
    "--period",
    metavar="PERIOD",
    default="validation",
    help="Whose errors to learn from: validation, or FIRST/LAST dates that the runs did not learn "
    "from [default: validation].",
)
@store_option("with the record", "run")
@experiment_options
@talk_options
def command(
    session: Session,
    runs: tuple[str, ...],
    horizon: str | None,
    members: int | None,
    period: str,
    store: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Learn from past errors how sure a forecast is.

    RUN is the folder of a run [default: that of the experiment]; several make an ensemble. Training
    does this at its end for each run; ensembles, and longer forecasts, need it once. What is
    learned is kept beside the (first) run: intervals of any stated coverage, by split conformal
    prediction, and how far members must be drawn apart to differ as much as they err.
    """
    study, folders = study_of_runs(session, runs, config, overrides, store=store)
    card = read_card(study)
    record = open_store(study)
    card.check_fits(record)
    from stforecast.forecast import calibrate, load_ensemble, write_calibration

    ensemble = load_ensemble(folders, study.experiment.training.device)
    ensemble = ensemble.told((), study.experiment.windows.covariates)
    first, slash, last = period.partition("/")
    with progress_bar(session, "forecasting the past") as progress:
        calibration = calibrate(
            ensemble,
            record,
            members=members,
            horizon=horizon,
            period=(first, last) if slash else period,
            progress=progress,
        )
    path = write_calibration(calibration, ensemble)
    click.echo(f"Past errors: {path}")
    session.say(f"{calibration.windows} forecasts of {' to '.join(calibration.period)}")
    session.say(f"Next: stforecast forecast{study.run_flags} --interval 0.9")
