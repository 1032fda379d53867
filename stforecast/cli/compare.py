"""`stforecast compare`: several models trained on the same data and budget, side by side."""

from dataclasses import replace
from functools import partial
from typing import Any

import click

from stforecast.cli.options import experiment_options, store_option, talk_options
from stforecast.cli.progress import progress_bar
from stforecast.cli.session import Session
from stforecast.cli.study import Study, carried_over, name_of_store, open_store, open_study
from stforecast.config import Change, Experiment, load_experiment
from stforecast.config.outputs import ABLATION, COMPARISON
from stforecast.errors import ConfigError, RunError


@click.command(
    "compare",
    epilog="""Examples:

\b
    stforecast compare taxi.yaml --models simvp,convlstm,predrnn --seeds 0,1,2
    stforecast compare taxi.yaml --preset small --set training.max_time=3min
    stforecast compare taxi.yaml --models simvp,convlstm --set compare.convlstm.model.hidden=[64,64]
    stforecast compare taxi.yaml --ablation --dry-run
""",
)
@click.argument("experiment", required=False, type=click.Path())
@click.option(
    "--models",
    metavar="A,B,…",
    help="Systems and variants, such as simvp:tau, or labels of the section compare [default: all "
    "of that section, else every system].",
)
@click.option(
    "--seeds",
    metavar="0,1,…",
    help="Train each model once with each of these [default: that of the experiment].",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="Each model with its settings of this name, in the place of the experiment's.",
)
@click.option(
    "--ablation",
    is_flag=True,
    help="The models of SimVP's ablation study: what it is without each of its parts.",
)
@click.option(
    "--replace",
    "anew",
    is_flag=True,
    help="Train anew the runs that are there and were trained with other settings.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be trained, and train nothing.")
@store_option("to train on")
@experiment_options
@talk_options
def command(
    session: Session,
    experiment: str | None,
    models: str | None,
    seeds: str | None,
    preset: str | None,
    ablation: bool,
    anew: bool,
    dry_run: bool,
    store: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Train several models alike, and compare them.

    EXPERIMENT is an experiment file (as -c). Every model is trained on the same data, splits and
    budget, once with each seed, and scored on the test period as `stforecast verify` does, beside
    persistence and climatology. Tables of scores and costs, and a figure of error against cost, go
    to runs/NAME/compare/, and each run to a folder of its own there, which the other commands take.
    Asked again it trains only what is missing, from the last batch of a run that was interrupted.
    """
    if experiment is not None and config is not None:
        raise click.UsageError("EXPERIMENT and -c FILE exclude each other")
    config = experiment if experiment is not None else config
    own_data = name_of_store(store) if store is not None else None
    study = open_study(session, config, overrides, own_data=own_data, store=store)
    record = open_store(study)
    from stforecast.api.contenders import ablation_of, contenders_of
    from stforecast.comparison import (
        campaign_table,
        check_groups,
        comparison_table,
        gather,
        make_campaign,
        write_comparison,
    )

    def load(change: Change) -> Experiment:
        loaded = load_experiment(
            config, overrides, own_data=own_data, change=change, carry=carried_over
        )
        return loaded.experiment

    asked: Any = (study.experiment, load, partial(_described, study), _listed(models), preset)
    if ablation:
        contenders, notes = ablation_of(*asked)
    else:
        contenders, notes = contenders_of(*asked), []
    folder = study.folder / (ABLATION if ablation else COMPARISON)
    options = study.experiment
    campaign = make_campaign(
        record,
        folder,
        contenders,
        [options.training.seed] if seeds is None else _seeds(seeds),
        name=options.name,
        windows=options.windows,
        split=options.data.split,
        verification=options.verification,
        replace=anew,
        check=check_groups if ablation else None,
    )
    for note in [*notes, *campaign.notes]:
        session.note(note)
    if dry_run or session.verbosity >= 0:
        session.show(campaign_table(campaign))
    if dry_run:
        return
    done = campaign.run(
        progress=session.shows_progress,
        notify=session.note,
        details=session.note if session.verbosity > 0 else None,
        bar=partial(progress_bar, session),
    )
    result = gather(campaign, done)
    session.show(comparison_table(result))
    written = write_comparison(result, folder)
    click.echo(f"Comparison: {', '.join(str(path) for path in written)}")
    failed = [item.run.words for item in done if item.failure]
    if failed:
        raise RunError(
            f"{len(failed)} of {len(done)} runs failed ({'; '.join(failed)}), as told above; the "
            "same command tries them again"
        )


def _described(study: Study, experiment: Experiment) -> dict[str, Any]:
    return replace(study, experiment=experiment).described()


def _listed(text: str | None) -> list[str] | None:
    """Names separated by commas; None where nothing is given."""
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]


def _seeds(text: str) -> list[int]:
    """Seeds separated by commas; ConfigError for anything else."""
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = [-1]
    if min(seeds) < 0:
        raise ConfigError(f"--seeds {text} are not whole numbers from 0 on, such as 0,1,2")
    return seeds
