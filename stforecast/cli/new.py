"""`stforecast new`: an experiment file filled from the data."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stforecast.cli.file_names import as_patterns, relative_to
from stforecast.cli.options import TakesFiles, files_option, talk_options
from stforecast.cli.session import Session
from stforecast.config import (
    experiment_of,
    experiment_preset,
    experiment_presets,
    load_experiment,
    safe_name,
)
from stforecast.errors import ConfigError, DataError

if TYPE_CHECKING:
    from stforecast.cli.suggest import Record
    from stforecast.options import DataOptions


@click.command(
    "new",
    cls=TakesFiles,
    epilog="""Examples:

\b
    stforecast new rain --data rain/*.nc
    stforecast new beijing --data TaxiBJ/*.h5 --from taxibj
    stforecast new z500 --data era5.nc --set data.select.level=500
""",
)
@click.argument("name")
@files_option("--data", "files", required=True, help="The data files, up to the next option.")
@click.option(
    "--from",
    "preset",
    metavar="PRESET",
    help="Take windows, model, training and verification from one of the experiments that come "
    f"with the package: {', '.join(experiment_presets())}.",
)
@click.option("--overwrite", is_flag=True, help="Replace the experiment file if it exists.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the files do not say of the data, such as data.select.level=500; may be repeated.",
)
@talk_options
def command(
    session: Session,
    name: str,
    files: tuple[str, ...],
    preset: str | None,
    overwrite: bool,
    overrides: tuple[str, ...],
) -> None:
    """Write an experiment file filled from data files.

    It is NAME.yaml here, or in a folder that NAME begins with (studies/rain, ../rain), and has a
    comment on every choice. Variables with their units, grid, time step and calendar come from the
    files; periods of training, validation and test, and windows that suit the step, are suggested.
    The file is yours to change.
    """
    path = _file_of(name)
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; choose another name, or replace it with --overwrite")
    foreign = [text for text in overrides if not text.startswith("data.")]
    if foreign:
        raise ConfigError(f"--set {foreign[0]}: new takes keys of data; change the rest in {path}")
    base = None if preset is None else experiment_preset(preset).read_text(encoding="utf-8")
    given = list(files)
    known = {} if preset is None else _known_of_channels(given, preset)
    tree = {"name": safe_name(path.stem), "data": {**known, "files": given}}
    experiment = experiment_of(tree, overrides, str(path))
    record = _look(given, experiment.data)
    from stforecast.cli.template import experiment_text
    from stforecast.files import written_whole

    options = experiment.data
    if options.store is not None:
        (store,) = relative_to([options.store], path.parent)
        options = options.model_copy(update={"store": store})
    named = relative_to(as_patterns(given), path.parent)
    text = experiment_text(experiment.name, named, record, options, base)
    with written_whole(path, "the experiment file") as beside:
        beside.write_text(text, encoding="utf-8")
    click.echo(f"Experiment file: {path}")
    session.say(f"Next: stforecast ingest -c {shlex.quote(str(path))}")


def _file_of(name: str) -> Path:
    """The experiment file of a name, in the folder that the name begins with, if it does."""
    bare = name.removesuffix(".yaml").removesuffix(".yml")
    folder, _, last = bare.rpartition("/")
    if not last.strip(". "):
        example = f"{folder}/rain" if folder else "rain"
        raise ConfigError(f"{name!r} names no file; give the experiment a name, such as {example}")
    return Path(name if name != bare else f"{name}.yaml")


def _known_of_channels(files: list[str], preset: str) -> dict[str, Any]:
    """What a preset knows of channels that have no names in the files, and of their clock."""
    from stforecast.sources import find_source

    try:
        if find_source(files) != "deepst":
            return {}
    except DataError:  # a reader that is named may read them yet
        return {}
    data = load_experiment(experiment_preset(preset)).experiment.data
    if not all(variable.index is not None for variable in (data.variables or {}).values()):
        return {}
    known: dict[str, Any] = data.model_dump(
        include={"variables", "timezone", "slots"}, exclude_none=True
    )
    return known


def _look(files: list[str], options: "DataOptions") -> "Record":
    """What the files hold, without reading more than a few fields."""
    from stforecast.cli.suggest import Record
    from stforecast.ingest import prepare
    from stforecast.sources import find_source, open_source
    from stforecast.store import TensorStore

    dataset = open_source(files, options, Path())
    store = TensorStore(prepare(dataset, options).dataset)
    return Record(
        channels=store.meta.channels,
        grid=store.grid,
        axis=store.axis,
        sequence_name=store.meta.sequence_name,
        n_sequences=store.n_sequences,
        reader=options.reader or find_source(files),
        drawn=store.meta.generation is not None,
    )
