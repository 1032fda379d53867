"""`stforecast info`: what a store, a run or a forecast is."""

import click

from stforecast.cli.options import talk_options
from stforecast.cli.session import Session
from stforecast.config.outputs import MODEL
from stforecast.errors import DataError
from stforecast.remote import RemotePath, location


@click.command(
    "info",
    epilog="""Examples:

\b
    stforecast info runs/demo/store.zarr
    stforecast info runs/demo/model
    stforecast info runs/demo/forecast.nc
    stforecast info t2m.icechunk --versions
""",
)
@click.argument("path", type=click.Path())
@click.option("--versions", is_flag=True, help="List the versions of a store that keeps them.")
@talk_options
def command(session: Session, path: str, versions: bool) -> None:
    """Describe a tensor store, a trained run or a forecast.

    PATH is a store (.zarr or .icechunk), the folder of a run, or a forecast (.nc or .zarr). With -v
    a forecast tells all settings that it was made with.
    """
    from stforecast.card import CARD
    from stforecast.cli import describe
    from stforecast.store import is_store

    place = location(path)
    if versions:
        session.show(describe.versions_of(place))
        return
    if isinstance(place, RemotePath):
        # tells what is wrong where there is no store
        session.show(describe.store(place))
        return
    if not place.exists():
        raise DataError(f"there is nothing at {path}; name a store, a run or a forecast")
    for folder in (place, place / MODEL):
        if (folder / CARD).is_file():
            session.show(describe.run(folder))
            return
    if is_store(place):
        session.show(describe.store(place))
    elif place.suffix.lower() in (".yaml", ".yml"):
        raise DataError(
            f"{path} is an experiment file, which reads for itself; info describes a store, a run "
            f"or a forecast, such as runs/{place.stem}/store.zarr"
        )
    elif place.is_file() or (place / "zarr.json").is_file():
        session.show(describe.forecast(place, everything=session.verbosity > 0))
    else:
        raise DataError(
            f"{path} is neither a tensor store nor a trained run nor a forecast; name one of "
            "these, such as runs/demo/store.zarr"
        )
