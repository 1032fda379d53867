"""`stforecast train`: a tensor store becomes a trained run."""

import click

from stforecast.cli.options import experiment_options, store_option, talk_options
from stforecast.cli.session import Session
from stforecast.cli.study import name_of_store, open_store, open_study


@click.command(
    "train",
    epilog="""Examples:

\b
    stforecast train
    stforecast train -c taxi.yaml --set training.max_time=10min
    stforecast train -c taxi.yaml --resume
""",
)
@click.option("--resume", is_flag=True, help="Go on with an unfinished run, from its last batch.")
@click.option("--replace", is_flag=True, help="Train anew where there is a run already.")
@store_option("to train on")
@experiment_options
@talk_options
def command(
    session: Session,
    resume: bool,
    replace: bool,
    store: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Train a model on a tensor store.

    The record is split by time into training, validation and test period; statistics come from the
    training period only. The budget is a time, a number of steps or of epochs (training.max_time,
    max_steps, max_epochs); of a time and one of the others, what ends first. The trained run goes
    to runs/NAME/model: the best weights, a card with all that a forecast needs, and how it errs on
    the validation period. A finished run is never written over without --replace.
    """
    if resume and replace:
        raise click.UsageError("--resume and --replace exclude each other")
    own_data = name_of_store(store) if store is not None else None
    study = open_study(session, config, overrides, own_data=own_data, store=store)
    tensor = open_store(study)
    from stforecast.training import train

    experiment = study.experiment
    train(
        tensor,
        study.model,
        name=experiment.name,
        windows=experiment.windows,
        split=experiment.data.split,
        model=experiment.model,
        training=experiment.training,
        experiment=study.described(),
        resume=resume,
        replace=replace,
        progress=session.shows_progress,
        notify=session.note,
    )
    from stforecast.forecast import calibrate_trained

    calibrate_trained(study.model, tensor, experiment.training.device, session.note)
    click.echo(f"Run: {study.model}")
    session.say(
        f"Next: stforecast forecast{study.run_flags} --horizon {experiment.windows.horizon}"
    )
