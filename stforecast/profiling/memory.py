"""How much memory tensors take, counted by torch's allocators.

What counts is what torch asked for: tensors, and what its operations need on the way. The program,
its libraries and what an allocator keeps in reserve do not. So a number is the same in every run.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile


def bytes_held(tensors: Iterable[Tensor]) -> int:
    """Bytes of the memory that tensors lie in; what several share counts once."""
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def peak_bytes(call: Callable[[], Any], device: torch.device) -> int | None:
    """The most that torch held at once during a call, beyond what it held before.

    None on a device that does not count (MPS).
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if device.type == "cpu":
        return _peak_on_cpu(call)
    call()
    return None


def _peak_on_cpu(call: Callable[[], Any]) -> int:
    # Torch keeps no peak for CPUs; its profiler tells every allocation, the freed ones as negative.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it says on stderr that it begins and ends
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as told:
        call()
    assert told.profiler is not None
    assert told.profiler.kineto_results is not None
    events = [
        event for event in told.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
