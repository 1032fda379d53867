"""`stforecast check`: is a store whole?"""

import click
from rich.table import Table

from stforecast.cli.options import talk_options
from stforecast.cli.progress import progress_bar
from stforecast.cli.session import Session
from stforecast.errors import StoreError


@click.command(
    "check",
    epilog="""What is looked at:

\b
    files       every file of the manifest is there, with its size and its checksum (SHA-256)
    shards      every shard decodes; those without values are left out, and known as such
    values      as many in each time and variable as the store tells
    times       regular, in order; absent ones have no values
    sources     size and time of the files that the store was made of (path, no content)
    leftovers   what a write that was killed left beside the store

Exit status: 0 when the store is whole, 1 when something is broken or there is no store. All that is
broken is named, with the times that are in it. Nothing is changed, and memory does not grow with
the store.

What to do about a broken store: bring the named files back from a copy, then check again; or make
the store anew with stforecast ingest --overwrite, which keeps the old one until the new one is
whole. What lies beside a store as .NAME.partial-… goes, or is gone on with, at the next ingest.

Examples:

\b
    stforecast check runs/demo/store.zarr
    stforecast check t2m.zarr --quick
    stforecast check t2m.zarr --sources && stforecast forecast
""",
)
@click.argument("store", type=click.Path(), metavar="STORE")
@click.option(
    "--quick",
    is_flag=True,
    help="Compare presence and sizes of the data's shards, and do not read them.",
)
@click.option(
    "--sources",
    is_flag=True,
    help="Fail, too, when a file that the store was made of is gone or has changed.",
)
@talk_options
def command(session: Session, store: str, quick: bool, sources: bool) -> None:
    """Prove that a tensor store is whole, or say what is not.

    STORE is what stforecast ingest made, on this machine or at an address, and also what it left
    unfinished.
    """
    from stforecast.store.check import check

    with progress_bar(session, "checking") as progress:
        found = check(store, quick=quick, sources=sources, progress=progress)
    for note in found.notes:
        session.note(f"Note: {note}")
    if not sources:
        for source in found.sources:
            session.note(f"Note: the source {source} since the store was made of it")
    broken = [*found.problems, *(found.sources if sources else ())]
    if broken:
        table = Table("broken", "how", "times", box=None, pad_edge=False)
        for problem in broken:
            table.add_row(problem.part, problem.fault, problem.covers)
        session.show(table)
        raise StoreError(found.sentence)
    click.echo(found.summary)
