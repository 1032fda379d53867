"""`stforecast profile`: what the systems cost in time and memory, measured."""

from typing import TYPE_CHECKING, Any, Literal

import click

from stforecast.cli.costs import (
    NOTHING,
    check_writable,
    count_text,
    published_settings,
    seconds_text,
    shape_text,
    write_json,
)
from stforecast.cli.options import talk_options
from stforecast.cli.progress import News, news_bar
from stforecast.cli.session import Session
from stforecast.errors import ConfigError, Interrupted, RunError

if TYPE_CHECKING:
    from stforecast.models import SampleShape
    from stforecast.options import Device
    from stforecast.profiling import Job, MeasuringProcess
    from stforecast.training.hardware import Hardware

PRESETS = ("taxibj", "moving_mnist", "weather", "small")
DEFAULT_PRESET = "taxibj"

COUNTS = ("parameters", "multiply_adds", "multiply_adds_per_frame")
TIMES = ("inference_seconds", "training_step_seconds")
PEAKS = ("inference_peak_bytes", "training_peak_bytes")

Row = dict[str, Any]


@click.command(
    "profile",
    epilog="""Examples:

\b
    stforecast profile
    stforecast profile --preset moving_mnist --json costs.json
    stforecast profile --models simvp,predrnn --shape 12,1,128,128 --out-steps 6 --batch 4
""",
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help="Published settings for a data set, and the shape of its samples "
    f"[default: {DEFAULT_PRESET}; with --shape the systems' own defaults].",
)
@click.option(
    "--models",
    metavar="NAME,…",
    help="Systems to measure, as `stforecast models` lists them [default: all].",
)
@click.option(
    "--shape",
    metavar="T,C,H,W",
    help="Frames of history, channels, rows and columns, in place of the preset's.",
)
@click.option(
    "--out-steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Frames to forecast [default: the preset's; with --shape as many as the history has].",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Samples at once [default: 1].",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=10,
    metavar="N",
    help="Calls to time, or fewer if --max-time is up before [default: 10].",
)
@click.option(
    "--max-time",
    default="30s",
    metavar="TIME",
    help="Time for the calls of one measurement; one is always made [default: 30s].",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "mps", "cpu"]),
    default="auto",
    help="Where to run [default: CUDA, else MPS, else the CPU].",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bf16", "float16"]),
    default="float32",
    help="What to compute in, by autocast [default: float32].",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(),
    metavar="FILE",
    help="Write the measurements too, as a list of one object for each system.",
)
@talk_options
def command(
    session: Session,
    preset: str | None,
    models: str | None,
    shape: str | None,
    out_steps: int | None,
    batch: int,
    repeats: int,
    max_time: str,
    device: "Device",
    precision: Literal["float32", "bf16", "float16"],
    json_file: str | None,
) -> None:
    """Measure what the systems cost in time and memory.

    Parameters are counted, too, and multiply-adds: those of one forecast of one sample, and of each
    of its frames, by torch on convolutions and matrix products. Times are medians of some calls, ±
    half of their range: of a forecast, by sample, and of a training step of the whole batch
    (forward in the middle of the sampling schedule, loss, backward, Adam). Memory is the most that
    torch held at once: weights, samples and all between them, in training gradients and the
    optimiser's state too; the program and its libraries are not counted.

    All run in a process apart: one that does not fit into memory does not lose the others. Ctrl-C
    shows what was measured until then.
    """
    from stforecast.options import TrainingOptions
    from stforecast.profiling import Job, MeasuringProcess
    from stforecast.training.budget import parse_duration
    from stforecast.training.hardware import choose_hardware

    place = None if json_file is None else check_writable(json_file)
    preset = preset or (DEFAULT_PRESET if shape is None else None)
    sizes = _shape(preset, shape, out_steps)
    hardware = choose_hardware(
        TrainingOptions(device=device, precision=precision), sizes.height * sizes.width
    )
    seconds = parse_duration(max_time, "--max-time")
    jobs = [
        Job(name, sizes, settings, hardware, batch, repeats, seconds)
        for name, settings in _systems(session, models, preset).items()
    ]
    rows = [_counted(job, preset) for job in jobs]
    session.say(_conditions(sizes, hardware, batch, preset))

    done: list[Row] = []
    try:
        with news_bar(session, len(jobs)) as news, MeasuringProcess() as process:
            for job, row in zip(jobs, rows, strict=True):
                done.append(row | _measured(job, process, len(done), news))
                if place is not None:
                    write_json(place, done)
    except KeyboardInterrupt:
        if done:
            session.show(_table(done))
        raise Interrupted(f"interrupted after {len(done)} of {len(jobs)} systems") from None
    session.show(_table(done))
    for row in done:
        if row["problem"] is not None:
            session.note(f"{row['model']} could not be run: {row['problem']}")
    if place is not None:
        click.echo(f"Measurements: {place}")
    if all(row["problem"] is not None for row in done):
        raise RunError(f"none of the systems could be run; {done[0]['problem']}")


def _shape(preset: str | None, shape: str | None, out_steps: int | None) -> "SampleShape":
    """The shape of the preset, or the one given."""
    import dataclasses

    from stforecast.models import SampleShape
    from stforecast.profiling.shapes import PRESET_SHAPES

    if shape is None:
        chosen = PRESET_SHAPES[preset or DEFAULT_PRESET]
        return dataclasses.replace(chosen, out_steps=out_steps or chosen.out_steps)
    parts = shape.split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise ConfigError(
            f"--shape is {shape}; write frames, channels, rows and columns, such as 10,1,64,64"
        )
    in_steps, channels, height, width = map(int, parts)
    periodic = preset is not None and PRESET_SHAPES[preset].periodic_x
    return SampleShape(
        in_steps, out_steps or in_steps, channels, height, width, periodic_x=periodic
    )


def _systems(session: Session, models: str | None, preset: str | None) -> dict[str, dict[str, Any]]:
    """The systems to measure, and the settings of each."""
    from stforecast.models import split_variant, variants

    names = variants() if models is None else [name.strip() for name in models.split(",")]
    systems = {}
    for name in names:
        split_variant(name)
        published = published_settings(name, preset)
        if published is None and preset is not None:
            session.note(f"{name} has no preset {preset}; its own defaults are measured")
        systems[name] = published or {}
    return systems


def _conditions(sizes: "SampleShape", hardware: "Hardware", batch: int, preset: str | None) -> str:
    """What all is measured with, in a line."""
    import torch

    where = hardware.describe_device()
    if hardware.device == "cpu":
        threads = torch.get_num_threads()
        where += f" ({threads} thread{'s' if threads > 1 else ''})"
    settings = f"settings of {preset}" if preset else "default settings"
    return (
        f"{shape_text(sizes)}, batch {batch}, {settings}, {hardware.precision} on {where}, "
        f"torch {torch.__version__}"
    )


def _counted(job: "Job", preset: str | None) -> Row:
    """What is known of a system before it runs. ConfigError if it does not take the shape."""
    import dataclasses

    import torch

    from stforecast.models.cost import count_costs

    return {
        "model": job.name,
        **vars(count_costs(job.name, job.shape, **job.settings)),
        "preset": preset if job.settings else None,
        "settings": job.settings,
        "shape": dataclasses.asdict(job.shape),
        "batch": job.batch,
        "device": job.hardware.describe_device(),
        "precision": job.hardware.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _measured(job: "Job", process: "MeasuringProcess", done: int, news: News) -> Row:
    """What a system is measured to cost, or the reason why it cannot be run."""
    news(done, job.name)
    forecast = step = problem = None
    try:
        profile = process.measure(job, tell=lambda words: news(done, f"{job.name}: {words}"))
        forecast, step = profile.inference, profile.training_step
    except RunError as error:
        problem = str(error)
    return {
        "inference_seconds": forecast and forecast.median / job.batch,
        "training_step_seconds": step and step.median,
        "inference_peak_bytes": forecast and forecast.peak_bytes,
        "training_peak_bytes": step and step.peak_bytes,
        "inference_seconds_all": forecast and [time / job.batch for time in forecast.seconds],
        "training_step_seconds_all": step and list(step.seconds),
        "problem": problem,
    }


def _table(rows: list[Row]) -> Any:
    from rich.table import Table

    from stforecast.cli.describe import size_text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("\nmodel", no_wrap=True)
    for title in (
        "para-\nmeters",
        "mult-adds\na sample",
        "mult-adds\na frame",
        "time of\na forecast",
        "time of a\ntraining step",
        "\ncalls",
        "memory of\nforecast",
        "memory of\ntraining",
    ):
        table.add_column(title, justify="right", overflow="fold")
    for row in rows:
        calls = [str(len(row[f"{what}_all"] or ())) for what in TIMES]
        table.add_row(
            row["model"],
            *(count_text(row[key]) for key in COUNTS),
            *(_time_text(row[what], row[f"{what}_all"]) for what in TIMES),
            calls[0] if calls[0] == calls[1] else ", ".join(calls),
            *(NOTHING if row[key] is None else size_text(row[key]) for key in PEAKS),
        )
    return table


def _time_text(median: float | None, seconds: list[float] | None) -> str:
    if median is None or seconds is None:
        return NOTHING
    if len(seconds) == 1:
        return seconds_text(median)
    return f"{seconds_text(median)} ±{(max(seconds) - min(seconds)) / 2 / median:.0%}"
