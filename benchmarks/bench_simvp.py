"""SimVP on this machine: which precision and memory format, and what compiling is worth.

On one thread, by the processor's clock, so that a busy machine gives the same ratios.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
import torch._inductor.config
from rich.table import Table
from torch import nn

from benchmarks.measure import Timing, in_own_process, peak_memory, timed
from stforecast.models import Forecaster, SampleShape, create_model

SETTINGS: dict[str, Any] = {"hid_S": 16, "hid_T": 64, "N_S": 2, "N_T": 3}
BATCH = 8
GRIDS = {"16 x 8": (16, 8), "33 x 49": (33, 49)}
VARIANTS = {
    "float32": (torch.float32, False),
    "float32, channels last": (torch.float32, True),
    "bf16": (torch.bfloat16, False),
    "bf16, channels last": (torch.bfloat16, True),
}


def bench_precision_and_memory_format() -> Table:
    """Forecast and training step on a city's and on a region's grid, against plain float32."""
    table = Table("grid", "variant", "forecast", "ratio", "training step", "ratio", "memory ratio")
    table.title = f"SimVP {SETTINGS}, batch {BATCH}"
    for grid, (height, width) in GRIDS.items():
        plain: tuple[Timing, Timing, int] | None = None
        for variant in VARIANTS:
            measured = in_own_process(_measure, height, width, variant)
            plain = plain or measured
            forecast, step, memory = measured
            table.add_row(
                grid,
                variant,
                str(forecast),
                f"{forecast.seconds / plain[0].seconds:.2f}",
                str(step),
                f"{step.seconds / plain[1].seconds:.2f}",
                f"{memory / plain[2]:.2f}",
            )
    return table


def bench_compile() -> Table:
    """Forecasts by a compiled model against the same model as it is, float32, channels last."""
    as_is, compiled, seconds = in_own_process(_measure_compiled)
    table = Table("model", "forecast", "ratio", "seconds to compile", title="torch.compile")
    table.add_row("as it is", str(as_is), "1.00", "")
    table.add_row(
        "compiled", str(compiled), f"{compiled.seconds / as_is.seconds:.2f}", f"{seconds:.0f}"
    )
    return table


def _measure(height: int, width: int, variant: str) -> tuple[Timing, Timing, int]:
    dtype, channels_last = VARIANTS[variant]
    model, history, target = _model(height, width)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    forecast, step = _calls(model, history, target, dtype)
    before = peak_memory()
    times = _timed(forecast), _timed(step)
    return *times, peak_memory() - before


def _measure_compiled() -> tuple[Timing, Timing, float]:
    torch._inductor.config.compile_threads = 1  # leaves no workers behind
    model, history, target = _model(32, 32, N_T=1, incep_kernels=[3, 5])
    model = model.to(memory_format=torch.channels_last)
    as_is = _timed(_calls(model, history, target, torch.float32)[0])
    forecast = _calls(torch.compile(model), history, target, torch.float32)[0]
    begin = time.perf_counter()
    forecast()
    seconds = time.perf_counter() - begin
    return as_is, _timed(forecast), seconds


def _timed(call: Callable[[], None]) -> Timing:
    return timed(call, repeats=5, clock=time.process_time)


def _model(
    height: int, width: int, **settings: Any
) -> tuple[Forecaster, torch.Tensor, torch.Tensor]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = SampleShape(4, 4, 2, height, width)
    history, _ = shape.example(BATCH)
    return create_model("simvp", shape, **SETTINGS | settings), history, torch.zeros_like(history)


def _calls(
    model: Callable[..., Any], history: torch.Tensor, target: torch.Tensor, dtype: torch.dtype
) -> tuple[Callable[[], None], Callable[[], None]]:
    parameters = model.parameters() if isinstance(model, nn.Module) else []
    optimizer = torch.optim.Adam(parameters, fused=True)

    def run() -> torch.Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return model(history)

    def forecast() -> None:
        with torch.no_grad():
            run()

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(run(), target).backward()
        optimizer.step()

    return forecast, step
