"""Blocks of work over the workers of a cluster, and what comes back."""

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from stforecast.cluster.start import current_client
from stforecast.cluster.worker import do
from stforecast.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")

# Blocks on their way for each thread of a worker, beside the one that it is at.
_AHEAD = 1


def spread(
    work: Callable[..., Result],
    blocks: Iterable[tuple[Any, ...]],
    *,
    ordered: bool = True,
    client: "Client | None" = None,
) -> Iterator[Result]:
    """What ``work(*block)`` gives for each block, done on a cluster where there is one.

    A block whose worker dies is done again on another: ``work`` must bear that, and also that a
    worker that was lost from sight is still at it. It is a function of a module, and its arguments
    are small. Within it dask computes in the thread of the block.

    Args:
        work: done for each block.
        blocks: its arguments; taken as work gets done, so that there are never many on their way.
        ordered: give the results in the order of the blocks, else as they come.
        client: the cluster; by default :func:`current_client`.

    Raises:
        ClusterError: workers die at a block again and again, or the scheduler is lost; and whatever
            `work` raises.
    """
    client = client or current_client()
    if client is None:
        for block in blocks:
            yield work(*block)
        return
    name = f"{getattr(work, '__name__', 'block').strip('_')}-{uuid.uuid4().hex[:8]}"
    remaining = enumerate(blocks)
    at_work: deque[Future] = deque()
    try:
        while True:
            room = _room(client) - len(at_work)
            for number, block in islice(remaining, max(room, 0)):
                at_work.append(client.submit(do, work, block, key=f"{name}-{number}", pure=False))
            if not at_work:
                return
            future = at_work[0] if ordered else _first_done(client, at_work)
            result = _result(future)
            at_work.remove(future)
            yield result
    finally:
        _cancel(client, at_work)


def _room(client: "Client") -> int:
    """Blocks to have on their way; some even while all workers are just starting anew."""
    with contextlib.suppress(Exception):
        threads: Any = client.nthreads()
        return max(2, (1 + _AHEAD) * int(sum(threads.values())))
    return 2


def _first_done(client: "Client", futures: "deque[Future]") -> "Future":
    from distributed import wait

    with client.as_current():
        done = wait(list(futures), return_when="FIRST_COMPLETED").done
    return next(future for future in futures if future in done)


def _result(future: "Future") -> Any:
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        times = error.allowed_failures + 1
        raise ClusterError(
            f"{times} workers died one after the other at the same block of work; it may take more "
            "memory than they have, which cluster.memory_limit or fewer threads give them"
        ) from error
    except (FutureCancelledError, CommClosedError) as error:
        raise ClusterError(
            "the connection to the dask scheduler was lost before the work was done; what was "
            "complete before is kept, so start the scheduler and the command again"
        ) from error


def _cancel(client: "Client", futures: "Iterable[Future]") -> None:
    waiting = list(futures)
    if waiting:
        with contextlib.suppress(Exception):
            client.cancel(waiting, force=True)
