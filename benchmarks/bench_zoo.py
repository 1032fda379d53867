"""The systems beside SimVP, and beside what this machine's convolutions can do.

In their settings for a laptop, on one thread, by the processor's clock, so that a busy machine
gives the same ratios.
"""

import dataclasses
import time
from collections.abc import Callable

import torch
from rich.table import Table

from benchmarks.measure import Timing, in_own_process, timed
from stforecast.config.presets import model_preset
from stforecast.models import create_model, variants
from stforecast.models.cost import count_costs
from stforecast.profiling.calls import Forecast, TrainingStep
from stforecast.profiling.memory import peak_bytes
from stforecast.profiling.shapes import PRESET_SHAPES
from stforecast.training.hardware import Hardware, lay_out_kernels

PRESET = "small"
BATCH = 16
REFERENCE = "simvp"
HORIZONS = (4, 8, 16)
BACKWARD = 3  # a training step multiplies three times what a forecast does


@dataclasses.dataclass(frozen=True)
class Measured:
    """A forecast's and a training step's time and peak memory."""

    forecast: Timing
    step: Timing
    forecast_bytes: int
    step_bytes: int


def bench_against_simvp() -> Table:
    """Time and memory of each system against SimVP's, and its multiply-adds a second against those
    of one large convolution."""
    limit, systems = in_own_process(_measure_all)
    simvp = systems[REFERENCE]
    table = _table(
        f"preset {PRESET}, batch {BATCH}; limit: {limit / 1e9:.0f} G multiply-adds a second",
        "system",
        *("forecast\n", "×\nSimVP", "of\nlimit"),
        *("training\nstep", "×\nSimVP", "of\nlimit"),
        *("memory\n", "×\nSimVP", "memory in\ntraining", "×\nSimVP"),
    )
    for name, measured in systems.items():
        work = BATCH * _multiply_adds(name)
        table.add_row(
            name,
            f"{1e3 * measured.forecast.seconds:.1f} ms",
            f"{measured.forecast.seconds / simvp.forecast.seconds:.2f}",
            f"{work / measured.forecast.seconds / limit:.0%}",
            f"{1e3 * measured.step.seconds:.1f} ms",
            f"{measured.step.seconds / simvp.step.seconds:.2f}",
            f"{BACKWARD * work / measured.step.seconds / limit:.0%}",
            f"{measured.forecast_bytes / 1e6:.1f} MB",
            f"{measured.forecast_bytes / simvp.forecast_bytes:.2f}",
            f"{measured.step_bytes / 1e6:.1f} MB",
            f"{measured.step_bytes / simvp.step_bytes:.2f}",
        )
    return table


def bench_horizon() -> Table:
    """A training step for longer forecasts, against the shortest of the same system."""
    columns = [f"{what},\n{steps} frames" for steps in HORIZONS[1:] for what in ("time", "memory")]
    title = f"a training step against that for {HORIZONS[0]} frames, preset {PRESET}"
    table = _table(title, "system", *columns)
    for name, (first, *longer) in in_own_process(_measure_horizons).items():
        ratios = [
            ratio
            for measured in longer
            for ratio in (
                measured.step.seconds / first.step.seconds,
                measured.step_bytes / first.step_bytes,
            )
        ]
        table.add_row(name, *(f"{ratio:.2f}" for ratio in ratios))
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), min_width=95)
    table.add_column(f"{first}\n", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _measure_all() -> tuple[float, dict[str, Measured]]:
    return _convolution_speed(), {name: _measure(name, HORIZONS[0]) for name in variants()}


def _measure_horizons() -> dict[str, list[Measured]]:
    return {name: [_measure(name, horizon) for horizon in HORIZONS] for name in variants()}


def _measure(name: str, horizon: int) -> Measured:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    hardware = Hardware("cpu", "float32")
    shape = dataclasses.replace(PRESET_SHAPES[PRESET], out_steps=horizon)
    model = create_model(name, shape, **model_preset(name, PRESET)["model"])
    lay_out_kernels(model, "cpu")
    history, covariates = shape.example(BATCH)
    forecast = Forecast(model, history, covariates, hardware)
    forecast_bytes, forecast_time = _peak(forecast), _timed(forecast)
    step = TrainingStep(model, history, covariates, hardware)
    return Measured(forecast_time, _timed(step), forecast_bytes, _peak(step))


def _peak(call: Forecast | TrainingStep) -> int:
    idle = call.idle_bytes()

    def first() -> None:
        call.prepare()
        call()

    return idle + (peak_bytes(first, torch.device("cpu")) or 0)


def _timed(call: Callable[[], None]) -> Timing:
    return timed(call, repeats=5, warm_up=1, clock=time.process_time)


def _multiply_adds(name: str) -> int:
    settings = model_preset(name, PRESET)["model"]
    return count_costs(name, PRESET_SHAPES[PRESET], **settings).multiply_adds


def _convolution_speed() -> float:
    """Multiply-adds a second of a convolution large enough to keep one thread busy."""
    torch.set_num_threads(1)
    channels, size, batch = 128, 32, 8
    convolution = torch.nn.Conv2d(channels, channels, 3, padding=1)
    convolution = convolution.to(memory_format=torch.channels_last)
    x = torch.randn(batch, channels, size, size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = _timed(lambda: convolution(x)).seconds
    return batch * size**2 * channels**2 * 3**2 / seconds
