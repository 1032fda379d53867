"""Blocks of work over the workers of a cluster, and what comes back."""

import contextlib
import threading
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from stforecast.cluster.start import current_client
from stforecast.cluster.worker import do
from stforecast.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")

# Blocks on their way for each thread of a worker, beside the one that it is at.
_AHEAD = 1
_NOTHING: Final = object()


def spread(
    work: Callable[..., Result],
    blocks: Iterable[tuple[Any, ...]],
    *,
    common: Any = _NOTHING,
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
        common: a first argument for all blocks, which is sent once to each worker.
        ordered: give the results in the order of the blocks, else as they come.
        client: the cluster; by default :func:`current_client`.

    Raises:
        ClusterError: workers die at a block again and again, or the scheduler is lost; and whatever
            `work` raises.
    """
    client = client or current_client()
    if client is None:
        for block in blocks:
            yield work(*block) if common is _NOTHING else work(common, *block)
        return
    sent = _Sent(client, work, common)
    remaining = enumerate(blocks)
    at_work: deque[Future] = deque()
    try:
        while True:
            room = room_of(client) - len(at_work)
            for number, block in islice(remaining, max(room, 0)):
                at_work.append(sent.block(number, block))
            if not at_work:
                return
            future = at_work[0] if ordered else _first_done(client, at_work)
            result = _result(future)
            at_work.remove(future)
            yield result
    finally:
        sent.cancel(at_work)


class Ahead(Generic[Result]):
    """Results of blocks by their numbers, where the next ones are begun before they are asked for.

    For a reader that takes them by and large in order, and perhaps from several threads. Arguments
    are those of :func:`spread`. A result is not kept: asked for again, it is made again.
    """

    def __init__(
        self,
        work: Callable[..., Result],
        blocks: Sequence[tuple[Any, ...]],
        *,
        client: "Client",
        common: Any = _NOTHING,
    ) -> None:
        self._blocks = blocks
        self._client = client
        self._sent = _Sent(client, work, common)
        self._begun: dict[int, Future] = {}
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Result:
        """The result of a block; raises as :func:`spread` does."""
        with self._lock:
            room = room_of(self._client)
            for following in range(number, len(self._blocks)):
                if following > number and len(self._begun) >= room:
                    break
                if following not in self._begun:
                    block = self._blocks[following]
                    self._begun[following] = self._sent.block(following, block)
            future = self._begun.pop(number)
        result: Result = _result(future)
        return result


class _Sent:
    """Blocks of one piece of work on their way to the workers."""

    def __init__(self, client: "Client", work: Callable[..., Any], common: Any) -> None:
        self._client = client
        self._work = work
        self._name = f"{getattr(work, '__name__', 'work').strip('_')}-{uuid.uuid4().hex[:8]}"
        # made by a task, so that it is made again where a worker that had it dies
        self._first: tuple[Any, ...] = ()
        if common is not _NOTHING:
            self._first = (self._submit(_same, "common", common),)

    def block(self, number: int, block: tuple[Any, ...]) -> "Future":
        return self._submit(do, str(number), self._work, block, *self._first)

    def cancel(self, futures: "Iterable[Future]") -> None:
        waiting = list(futures)
        if waiting:
            with contextlib.suppress(Exception):
                self._client.cancel(waiting, force=True)

    def _submit(self, function: Callable[..., Any], part: str, *arguments: Any) -> "Future":
        with warnings.catch_warnings():
            # what is common is as large as it has to be
            warnings.filterwarnings("ignore", "(?s).*Sending large graph")
            return self._client.submit(
                function, *arguments, key=f"{self._name}-{part}-{uuid.uuid4().hex[:8]}", pure=False
            )


def can_send(value: Any, most: int) -> bool:
    """Whether something can be sent to other processes, and takes at most so many bytes.

    What lies in files takes few; values in memory, and what holds on to this process, stay here.
    """
    import cloudpickle

    try:
        return len(cloudpickle.dumps(value)) <= most
    except Exception:
        return False


def _same(value: Any) -> Any:
    return value


def room_of(client: "Client") -> int:
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
