"""`stforecast plot`: maps of a forecast."""

import click

from stforecast.cli.options import TakesFiles, experiment_options, files_option, talk_options
from stforecast.cli.session import Session


@click.command(
    "plot",
    cls=TakesFiles,
    epilog="""Examples:

\b
    stforecast plot
    stforecast plot --lead-time 1 --lead-time 4
    stforecast plot gfs.nc --variable t2m --observations era5/*.nc --output maps
""",
)
@click.argument("forecast", required=False, type=click.Path())
@click.option("--variable", multiple=True, metavar="NAME", help="A variable to draw; repeatable.")
@click.option(
    "--lead-time",
    multiple=True,
    metavar="STEPS|DURATION",
    help="A lead time to draw, 4 steps or 24h; repeatable [default: up to four of them].",
)
@click.option(
    "--init-time",
    metavar="TIME",
    help="The initial time to draw [default: the last one with observations, else the last].",
)
@files_option(
    "--observations",
    "observations",
    help="Files (or a tensor store) to draw beside the forecast, up to the next option "
    "[default: the tensor store of the experiment].",
)
@click.option(
    "--output",
    type=click.Path(),
    metavar="FOLDER",
    help="Where the pictures go [default: maps/ beside the run, or here].",
)
@experiment_options
@talk_options
def command(
    session: Session,
    forecast: str | None,
    variable: tuple[str, ...],
    lead_time: tuple[str, ...],
    init_time: str | None,
    observations: tuple[str, ...],
    output: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Draw maps of a forecast, with observation and error where they are known.

    FORECAST is a file in NetCDF or Zarr. Without it, the experiment's forecast is drawn, and of its
    hindcast of the test period (made by verify) the last initial time that has observations.
    Coastlines and borders come with the package; maps.overlay draws your own lines.
    """
