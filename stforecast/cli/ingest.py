"""`stforecast ingest`: files become a tensor store."""

import click

from stforecast.cli.options import experiment_options, talk_options
from stforecast.cli.progress import progress_bar
from stforecast.cli.session import Session
from stforecast.cli.study import name_of_files, open_study
from stforecast.errors import ConfigError


@click.command(
    "ingest",
    epilog="""Examples:

\b
    stforecast ingest                          the experiment's own files
    stforecast ingest -c taxi.yaml --dry-run   what would be read, and what is wrong with it
    stforecast ingest t2m_*.nc --output t2m.zarr
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
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@experiment_options
@talk_options
def command(
    session: Session,
    files: tuple[str, ...],
    output: str | None,
    reader: str | None,
    overwrite: bool,
    dry_run: bool,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Read data files into a tensor store, checked.

    FILES are NetCDF, GRIB or Zarr files, or HDF5 files as of DeepST (TaxiBJ, BikeNYC); several make
    one record. Without FILES, those of the experiment are read. Duplicated times, rows out of
    order, absent times and missing cells are found, told, and kept in the store as what they are.
    The store appears whole or not at all.
    """
    own_data = name_of_files(files) if files else None
    study = open_study(session, config, overrides, own_data=own_data, files=files, store=output)
    if not study.files:
        raise ConfigError(
            "there are no files to read; name them on the command line or as data.files in the "
            "experiment file"
        )
    from stforecast.ingest import ingest

    with progress_bar(session, "reading") as progress:
        findings = ingest(
            study.files,
            study.store,
            study.experiment.data,
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
