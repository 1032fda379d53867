"""Which cluster there is: one that runs, one that is started, or none."""

import contextlib
import importlib
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stforecast.cluster.interrupts import made_whole, undisturbed
from stforecast.errors import ClusterError, ConfigError, StForecastWarning, first_line
from stforecast.options import ClusterOptions

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "LocalCluster"
# Seconds to wait for a scheduler to answer, and for workers to go.
_ANSWER = 10
_CLOSE = 10
_CONNECT = "5s"
# Packages without which nothing goes if they differ, and those by which values may.
_NEEDED = ("stforecast", "python", "dask", "distributed")
_TOLD = ("numpy", "xarray", "zarr", "torch")

# Clients of :func:`running`, the innermost last.
_running: "list[Client]" = []


def current_client() -> "Client | None":
    """The cluster to spread work over: that of :func:`running`, else the user's own dask client.

    None where there is neither, and in a block of work that is done on a cluster.
    """
    if "distributed" not in sys.modules:
        return None
    from distributed import Client, get_worker

    with contextlib.suppress(ValueError):
        get_worker()
        return None
    if _running:
        return _running[-1]
    try:
        client = Client.current()
    except ValueError:
        return None
    return None if client.asynchronous else client


@contextlib.contextmanager
def running(cluster: ClusterOptions | str | None = None) -> "Iterator[Client | None]":
    """A cluster for as long as the context lasts: that of the options, or at an address.

    A cluster that is started here is gone afterwards, whatever happens; one that ran already runs
    on. Without options it is that of :func:`current_client`, or none.

    Raises:
        ClusterError: nothing answers at the address, the cluster does not start or has no workers,
            or its versions differ. ConfigError: there is no such class.
    """
    options = ClusterOptions(scheduler=cluster) if isinstance(cluster, str) else cluster
    if options is None or not options.wanted:
        yield current_client()
        return
    with contextlib.ExitStack() as stack:
        if options.scheduler is not None:
            where = f"the scheduler at {options.scheduler}"
            client = stack.enter_context(_connected(options.scheduler, options.scheduler))
        else:
            where = options.kind or LOCAL
            started = stack.enter_context(_started(options))
            client = stack.enter_context(_connected(started, where))
        _wait_for_workers(client, options, where)
        found: Any = client.get_versions(packages=list(_NEEDED + _TOLD))
        _check_versions(found, where)
        _running.append(client)
        stack.callback(_running.remove, client)
        yield client


def here() -> contextlib.AbstractContextManager[Any]:
    """While it lasts dask computes in this process, also where it has a client of the user's own.

    For what cannot be sent: arrays whose blocks are themselves spread over a cluster.
    """
    if "distributed" not in sys.modules:
        return contextlib.nullcontext()
    import dask
    from distributed import Client

    try:
        Client.current()
    except ValueError:
        return contextlib.nullcontext()
    return dask.config.set(scheduler="threads")


def require_shared(client: "Client", path: str | Path) -> None:
    """ClusterError where a worker does not see a file or folder of this machine."""
    if "://" in str(path):
        return
    absolute = os.path.abspath(path)
    seen = client.run(os.path.exists, absolute)
    blind = [address for address, found in seen.items() if not found]
    if blind:
        raise ClusterError(
            f"the worker at {blind[0]} does not see {absolute}; a cluster needs a file system that "
            "all of its machines share"
        )


@contextlib.contextmanager
def _connected(to: Any, where: str) -> "Iterator[Client]":
    from distributed import Client

    try:
        if isinstance(to, str):
            _knock(to)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*Mismatched versions")  # told in our own words
            # what the process computes beside the blocks stays in it
            client = Client(to, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ClusterError(
            f"no dask scheduler answers at {where} ({_said(error)}); start one with `dask "
            "scheduler` and workers with `dask worker`, or leave out the cluster"
        ) from error
    try:
        yield client
    finally:
        with _quiet():
            client.close(timeout=_CLOSE)


def _knock(address: str) -> None:
    """OSError at once where nothing listens, at which dask would go on knocking."""
    from distributed.comm import registry
    from distributed.comm.addressing import parse_address, parse_host_port

    protocol, place = parse_address(address)
    # dask leaves half a client behind, which fails aloud as it goes
    registry.get_backend(protocol)
    if protocol in ("tcp", "tls"):
        host, port = parse_host_port(place, 8786)
        socket.create_connection((host, port), timeout=_ANSWER).close()


@contextlib.contextmanager
def _started(options: ClusterOptions) -> Iterator[Any]:
    """A cluster of the class asked for, that is closed again."""
    kind = options.kind or LOCAL
    make = _class_of(kind)
    arguments = _arguments(options, make, kind)
    with contextlib.ExitStack() as stack:
        if _is_local(make):
            # what a worker held that died is asked for until then, before it is made again
            import dask

            stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": _CONNECT}))
        try:
            cluster = made_whole(lambda: make(**arguments), arguments.get("n_workers", 0))
            stack.callback(_close, cluster)
            if options.workers is not None and not _is_local(make):
                cluster.scale(options.workers)
        except (Exception, SystemExit) as error:
            raise ClusterError(
                f"the cluster {kind} does not start ({_said(error)}); see the section cluster"
            ) from error
        yield cluster


def _class_of(name: str) -> Any:
    """The class of a dotted name; one of dask itself needs no dots."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module or "distributed"), attribute, None)
    except ImportError as error:
        raise ConfigError(
            f"cluster.class: {name} needs the package {module.split('.')[0]}, which cannot be "
            f"imported ({_said(error)}); install it beside stforecast"
        ) from error
    if not isinstance(found, type) or not hasattr(found, "scheduler_address"):
        raise ConfigError(
            f"cluster.class: {name} is no class of a dask cluster; write LocalCluster, or a dotted "
            "name such as dask_jobqueue.SLURMCluster"
        )
    return found


def _is_local(kind: Any) -> bool:
    from distributed import LocalCluster

    return isinstance(kind, type) and issubclass(kind, LocalCluster)


def _arguments(options: ClusterOptions, kind: type, name: str) -> dict[str, Any]:
    """What a class is called with. Those of dask_jobqueue have words of their own."""
    if _is_local(kind):
        threads = options.threads or 1
        workers = options.workers or max(1, (_cores() or 1) // threads)
        made: dict[str, Any] = {
            "n_workers": workers,
            "threads_per_worker": threads,
            "processes": True,
            "silence_logs": logging.CRITICAL,
            "preload": ["stforecast.cluster.worker"],
        }
        if options.dashboard:
            made["dashboard_address"] = ":8787"
        else:  # dask has a server all the same, for which any port will do
            hidden = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
            made["scheduler_kwargs"] = hidden
        if options.memory_limit is not None:
            made["memory_limit"] = options.memory_limit
        return made | options.arguments
    queues = any(base.__name__ == "JobQueueCluster" for base in kind.__mro__)
    if queues:
        made = {"cores": options.threads or 1, "processes": 1}
        if options.memory_limit is not None:
            made["memory"] = f"{options.memory_limit}B"
        return made | options.arguments
    for field, value in (
        ("threads", options.threads),
        ("memory_limit", options.memory_limit),
        ("dashboard", options.dashboard),
    ):
        if value:
            raise ConfigError(
                f"cluster.{field} is not known to {name}; say it in its own words under "
                "cluster.arguments"
            )
    return dict(options.arguments)


def _cores() -> int:
    """Cores that this process may use."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def _wait_for_workers(client: "Client", options: ClusterOptions, where: str) -> None:
    seconds = _seconds(options.wait)
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        raise ClusterError(
            f"{where} has no workers after {options.wait}; start some with `dask worker`, or give "
            "a queue more time with cluster.wait"
        ) from error


def _seconds(text: str) -> float:
    import pandas as pd

    try:
        seconds = float(pd.Timedelta(text).total_seconds())
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ConfigError(f"cluster.wait is {text!r}; it must be a duration, such as 10min")
    return seconds


def _check_versions(found: Mapping[str, Any], where: str) -> None:
    """ClusterError where machines have other versions, and a warning where values may differ."""
    own = found["client"]["packages"]
    places = {"the scheduler": found["scheduler"]} | {
        f"the worker at {address}": told for address, told in found["workers"].items()
    }
    told = set()
    for place, versions in places.items():
        packages = versions["packages"]
        for name in (*_NEEDED, *_TOLD):
            there, here = (_short(name, item.get(name)) for item in (packages, own))
            if there == here or (place == "the scheduler" and name not in ("dask", "distributed")):
                continue
            if name in _NEEDED:
                have = f"{name} {there}" if there else f"no {name}"
                raise ClusterError(
                    f"{place} of {where} has {have}, and this process has {here or 'none'}; "
                    "install the same versions on all machines"
                )
            told.add(f"{name} {there or 'is missing'} (here {here})")
    if told:
        warnings.warn(
            f"workers of {where} have other versions, so values may differ in their last digits: "
            f"{', '.join(sorted(told))}",
            StForecastWarning,
            stacklevel=4,
        )


def _short(name: str, version: str | None) -> str | None:
    """Of Python the first two numbers, within which what is sent is understood."""
    if name != "python" or version is None:
        return version
    return ".".join(str(version).split(".")[:2])


def _close(cluster: Any) -> None:
    with undisturbed(), _quiet():
        cluster.close(timeout=_CLOSE)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What goes wrong while a cluster is left does not hide what happened before."""
    with contextlib.suppress(Exception):
        yield


def _said(error: BaseException) -> str:
    return first_line(error).rstrip(".")
