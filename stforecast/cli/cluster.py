"""The cluster of a command: that of the experiment, or a scheduler named on the line."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from stforecast.cli.session import Session
from stforecast.options import ClusterOptions

Function = TypeVar("Function", bound=Callable[..., Any])


def scheduler_option(function: Function) -> Function:
    """--scheduler, passed on as `scheduler`."""
    return click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Spread the work over the dask cluster at this address, such as tcp://node1:8786 "
        "[default: that of the section cluster, else this process].",
    )(function)


@contextlib.contextmanager
def working(session: Session, options: ClusterOptions, scheduler: str | None) -> Iterator[None]:
    """The cluster, if there is to be one, for the time of the work."""
    from stforecast import cluster

    chosen = ClusterOptions(scheduler=scheduler) if scheduler is not None else options
    if not chosen.wanted:
        yield
        return
    if chosen.scheduler is None:
        session.note(f"Starting {chosen.kind or 'LocalCluster'} …")
    with cluster.running(chosen) as client:
        if client is not None:
            known: Any = client.scheduler_info()
            number = len(known["workers"])
            workers = f"{number} worker{'s' if number != 1 else ''}"
            session.note(f"Cluster: {workers} at {known['address']}")
        yield
