"""`stforecast verify`: what a forecast is worth."""

import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stforecast import names
from stforecast.cli.cluster import scheduler_option, working
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
from stforecast.cli.study import HINDCAST, Study, open_store, open_study, read_card, study_of_runs
from stforecast.config import Experiment
from stforecast.config.outputs import VERIFICATION
from stforecast.errors import ConfigError, DataError, StForecastWarning
from stforecast.files import require_folder
from stforecast.options import VerificationOptions

if TYPE_CHECKING:
    import xarray as xr

    from stforecast.card import RunCard
    from stforecast.store import TensorStore

_FROM_STATISTICS = ("climatology", "hour_of_week", "anomaly_persistence", "linear")
_WORDS = "stforecast.verify.words"
_PAGES = (".html", ".htm")
REPORT = "report.html"


class _Verify(TakesFiles):
    """The command, whose --report takes the next word only where that names a page."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = list(args)
        words = []
        for word, following in zip(args, [*args, ""][1:], strict=True):
            named = following.lower().endswith(_PAGES)
            words.append("--report=" if word == "--report" and not named else word)
        return super().parse_args(ctx, words)


@dataclass(frozen=True)
class _Scored:
    """Scores, and what they are of."""

    scores: "xr.Dataset"
    files: Mapping[str, Path]
    """The forecasts, by the names that the scores have for them."""
    record: "TensorStore"
    cards: Mapping[str, "RunCard"] = field(default_factory=dict)


@click.command(
    "verify",
    cls=_Verify,
    epilog="""Examples:

\b
    stforecast verify                              the run of the experiment, on its test period
    stforecast verify runs/demo/model --set verification.by=[lead_time,season]
    stforecast verify gfs.nc ours.nc --observations era5/*.nc --output scores
    stforecast verify --scheduler tcp://node1:8786   over the workers of a dask cluster
    stforecast verify --report                     and a page for people: tables, curves, maps
""",
)
@click.argument("forecasts", nargs=-1, type=click.Path(), metavar="[RUN... | FILE...]")
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
@click.option(
    "--report",
    metavar="[FILE.html]",
    help="Also write a page that shows how good the forecast is, in one file "
    "[default: report.html beside the scores].",
)
@scheduler_option
@experiment_options
@talk_options
def command(
    session: Session,
    forecasts: tuple[str, ...],
    observations: tuple[str, ...],
    store: str | None,
    output: str | None,
    report: str | None,
    scheduler: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Score a run, or any forecast.

    A RUN [default: that of the experiment; several make an ensemble] forecasts its whole test
    period, which it never saw, and is scored per lead time and variable: RMSE, MAE, bias, and skill
    against forecasts that cost nothing (verification.references). With --observations, FILEs are
    scored instead, whoever made them; several are set side by side. Cells on the sphere weigh by
    their area. --report makes a page for people who were not there.
    """
    from stforecast.verification import score_table, write_scores

    if observations:
        if not forecasts:
            raise click.UsageError("--observations needs the forecast FILEs to score against them")
        study = open_study(session, config, overrides, own_data="observations")
        folder = Path(output or VERIFICATION)
        _require_places(folder, report)
        with working(session, study.experiment.cluster, scheduler):
            scored = _score_files(
                session, forecasts, observations, study.experiment, report is not None
            )
    else:
        study, folders = _study_to_score(session, forecasts, config, overrides, store)
        folder = Path(output) if output is not None else study.verification
        _require_places(folder, report)
        with working(session, study.experiment.cluster, scheduler):
            scored = _score_run(session, study, folders, folder, report is not None)
    session.show(score_table(scored.scores))
    written = write_scores(scored.scores, folder)
    click.echo(f"Scores: {', '.join(str(path) for path in written)}")
    if report is not None:
        page = _write_report(scored, Path(report or folder / REPORT), study, observations)
        click.echo(f"Report: {page}")


def _require_places(folder: Path, report: str | None) -> None:
    """StForecastError where scores or report could not be written after the work."""
    require_folder(folder, "the scores")
    if report:
        require_folder(Path(report).parent, "the report")


def _write_report(scored: _Scored, file: Path, study: Study, observations: tuple[str, ...]) -> Path:
    """The page of the scores, with all that is at hand to tell where they come from."""
    from stforecast.product import open_product
    from stforecast.report import write_report

    words = click.get_current_context().meta[_WORDS]
    products = {name: open_product(path) for name, path in scored.files.items()}
    try:
        return write_report(
            scored.scores,
            file,
            forecasts=products,
            observations=scored.record.observations(),
            cards=scored.cards,
            sources=scored.record.meta.sources or _files_told(observations),
            files={
                name: _files_told([str(path)])
                for name, path in scored.files.items()
                if name not in scored.cards
            },
            command=shlex.join(["stforecast", "verify", *words]),
            overlay=None if study.overlay is None else str(study.overlay),
        )
    finally:
        for product in products.values():
            product.close()


def _files_told(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Size and checksum of files, of those that are."""
    from stforecast.ingest.provenance import describe_files, look_at

    return describe_files(look_at([path for path in paths if Path(path).exists()]))


def _study_to_score(
    session: Session,
    forecasts: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    store: str | None,
) -> tuple[Study, list[Path]]:
    files = [name for name in forecasts if Path(name).is_file() or name.endswith(".zarr")]
    if files:
        raise ConfigError(
            f"{files[0]} is scored against observations; name them with --observations FILES"
        )
    return study_of_runs(session, forecasts, config, overrides, store=store)


def _score_run(
    session: Session, study: Study, folders: list[Path], folder: Path, page: bool
) -> _Scored:
    """Hindcast the test period with one run or several, keep the hindcast, and score it."""
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
    from stforecast.forecast import load_ensemble
    from stforecast.product import open_product, write_product

    options = study.experiment.verification
    model = load_ensemble(folders, study.experiment.training.device)
    model = model.told((), study.experiment.windows.covariates)
    with progress_bar(session, "forecasting the test period") as progress:
        # a large hindcast is made as it is written
        path = write_product(hindcast(model, record, options, progress), folder / HINDCAST)
    with open_product(path) as forecasts:
        if page:
            options = _with_diagnostics(options, [forecasts])
        with progress_bar(session, "scoring") as progress:
            scores = score(forecasts, model, record, options, asked, progress)
    name = str(scores[names.SYSTEM].values[0])
    cards = {each.card.name: each.card for each in model.models}
    return _Scored(scores, {name: Path(path)}, record, cards if len(cards) > 1 else {name: card})


def _score_files(
    session: Session,
    files: tuple[str, ...],
    observations: tuple[str, ...],
    experiment: Experiment,
    page: bool,
) -> _Scored:
    """Score forecasts, whoever made them, beside references from the observations."""
    from stforecast.product import open_product
    from stforecast.verification import verify_as_asked

    forecasts, paths = {}, {}
    for name in files:
        product = open_product(name)
        label = str(product.attrs.get("stforecast_run") or Path(name).stem)
        label = Path(name).stem if label in forecasts else label
        forecasts[label], paths[label] = product, Path(name)
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
    options = experiment.verification
    if page:
        options = _with_diagnostics(options, list(forecasts.values()))
    with progress_bar(session, "scoring") as progress:
        scores = verify_as_asked(
            options,
            forecasts,
            record.observations(),
            references,
            ranges,
            experiment.protocol,
            progress,
        )
    return _Scored(scores, paths, record)


def _with_diagnostics(
    options: VerificationOptions, forecasts: Sequence["xr.Dataset"]
) -> VerificationOptions:
    """The options with the diagnostics that a page shows of such forecasts."""
    wanted: list[str] = [*options.diagnostics, "error_maps", "cases", "spectrum"]
    if any(names.MEMBER in forecast.dims for forecast in forecasts):
        wanted.append("rank_histogram")
        if options.thresholds:
            wanted.append("reliability")
    return options.model_copy(update={"diagnostics": list(dict.fromkeys(wanted))})


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
    from stforecast.windows.parts import period

    begin, told, end = str(forecast.attrs.get("stforecast_training_period", "")).partition("/")
    if told:
        try:
            return period(record.axis, begin, end, "training period")
        except DataError:
            return None
    first = int(record.axis.positions(forecast["init_time"].values).min())
    return (0, min(first, record.axis.size)) if first > 0 else None
