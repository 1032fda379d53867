"""`stforecast ingest`: files become a tensor store."""

from pathlib import Path

import click
from pydantic import ValidationError

from stforecast.cli.cluster import scheduler_option, working
from stforecast.cli.options import experiment_options, talk_options
from stforecast.cli.progress import progress_bar
from stforecast.cli.session import Session
from stforecast.cli.study import name_of_files, open_study
from stforecast.config.load import DEFAULT_FILE
from stforecast.config.problems import explain
from stforecast.errors import ConfigError
from stforecast.options import ClusterOptions
from stforecast.options.storage import StorageOptions


@click.command(
    "ingest",
    epilog="""Examples:

\b
    stforecast ingest                          the experiment's own files
    stforecast ingest -c taxi.yaml --dry-run   what would be read, and what is wrong with it
    stforecast ingest t2m_*.nc --output t2m.zarr
    stforecast ingest --append today_*.nc      more of the same, from files that came in
    stforecast ingest --scheduler tcp://node1:8786   by the workers of a dask cluster
""",
)
@click.argument("files", nargs=-1, type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="STORE",
    help="The tensor store to write [default: that of the experiment, runs/NAME/store.zarr].",
)
@click.option(
    "--reader",
    metavar="NAME",
    help="netcdf (also GRIB and Zarr) or deepst [default: found from the file].",
)
@click.option("--overwrite", is_flag=True, help="Replace the store if it exists, once all is well.")
@click.option(
    "--append",
    is_flag=True,
    help="Add FILES to the store: new times come in, absent ones are filled, those that are there "
    "already are skipped. Without a store there is made one.",
)
@click.option(
    "--memory-limit",
    metavar="SIZE",
    help="Memory that reading and writing may take, such as 2GB [default: 1GB, or what "
    "data.storage.memory_limit says].",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@scheduler_option
@experiment_options
@talk_options
def command(
    session: Session,
    files: tuple[str, ...],
    output: str | None,
    reader: str | None,
    overwrite: bool,
    append: bool,
    memory_limit: str | None,
    dry_run: bool,
    scheduler: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Read data files into a tensor store, checked.

    FILES are NetCDF, GRIB or Zarr files, or HDF5 files as of DeepST (TaxiBJ, BikeNYC); several make
    one record. Without FILES, those of the experiment are read. Duplicated times, rows out of
    order, absent times and missing cells are found, told, and kept in the store as what they are.
    The store appears whole or not at all, and so does what --append adds to it.
    """
    if append and overwrite:
        raise click.UsageError("--append and --overwrite exclude each other")
    if append and files and output is None and config is None and not Path(DEFAULT_FILE).exists():
        raise ConfigError(
            f"there is no {DEFAULT_FILE} here that says which store to add to; name it with "
            "--output STORE, or the experiment with -c FILE"
        )
    if memory_limit is not None:
        _check_limit(memory_limit)
        overrides = (*overrides, f"data.storage.memory_limit={memory_limit}")
    own_data = name_of_files(files) if files else None
    study = open_study(session, config, overrides, own_data=own_data, files=files, store=output)
    if not study.files and not study.experiment.data.sources:
        raise ConfigError(
            "there are no files to read; name them on the command line or as data.files in the "
            "experiment file"
        )
    from stforecast.ingest import ingest
    from stforecast.ingest.append import append as add

    if dry_run and scheduler is not None:
        session.note("A dry run is done by this process; the cluster is not asked")
    workers = ClusterOptions() if dry_run else study.experiment.cluster
    with (
        working(session, workers, None if dry_run else scheduler),
        progress_bar(session, "reading") as progress,
    ):
        data = study.experiment.data
        if append:
            findings = add(
                study.files, study.store, data, reader=reader, dry_run=dry_run, progress=progress
            )
        else:
            findings = ingest(
                study.files,
                study.store,
                data,
                reader=reader,
                overwrite=overwrite,
                dry_run=dry_run,
                progress=progress,
            )
    session.show(findings.table)
    if dry_run:
        session.say(f"Nothing was written; without --dry-run the store is {study.store}")
    else:
        click.echo(f"Store: {study.store}")
        session.say(f"Next: stforecast train{study.flags}")


def _check_limit(text: str) -> None:
    """ConfigError in the words of the command line, where --memory-limit is no such size."""
    given = {"memory_limit": text}
    try:
        StorageOptions.model_validate(given)
    except ValidationError as error:
        _, message = explain(error, given, StorageOptions)
        raise ConfigError(message.replace("memory_limit", "--memory-limit", 1)) from None
