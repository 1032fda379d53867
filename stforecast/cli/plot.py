"""`stforecast plot`: maps of a forecast."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stforecast.cli.options import TakesFiles, experiment_options, files_option, talk_options
from stforecast.cli.records import record_of
from stforecast.cli.session import Session
from stforecast.cli.study import HINDCAST, Study, open_study
from stforecast.config import safe_name
from stforecast.config.outputs import MAPS, STORE
from stforecast.errors import DataError, MapError
from stforecast.files import require_folder
from stforecast.remote import Location

if TYPE_CHECKING:
    import xarray as xr

    from stforecast.store import TensorStore


@click.command(
    "plot",
    cls=TakesFiles,
    epilog="""Examples:

\b
    stforecast plot
    stforecast plot --lead-time 1 --lead-time 4
    stforecast plot gfs.nc --variable t2m --observations era5/*.nc --output maps
    stforecast plot -c moving_mnist.yaml --sequence 1200,1201
""",
)
@click.argument("forecast", required=False, type=click.Path())
@click.option("--variable", multiple=True, metavar="NAME", help="A variable to draw; repeatable.")
@click.option(
    "--lead-time",
    multiple=True,
    metavar="STEPS|DURATION",
    help="A lead time to draw, 4 steps or 24h; repeatable [default: up to four of them, and ten "
    "of sequences].",
)
@click.option(
    "--init-time",
    metavar="TIME",
    help="The initial time to draw [default: the last one with observations, else the last].",
)
@click.option(
    "--sequence",
    "sequences",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="Which sequences to draw of a record of several, such as videos; repeatable [default: the "
    "first two, of which a map has only one].",
)
@files_option(
    "--observations",
    "observations",
    help="Files (or a tensor store) to draw beside the forecast, up to the next option "
    "[default: the tensor store of the experiment].",
)
@click.option(
    "-o",
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
    sequences: tuple[str, ...],
    observations: tuple[str, ...],
    output: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Draw maps of a forecast, beside what was observed.

    FORECAST is a file in NetCDF or Zarr. Without it, the experiment's forecast is drawn, and of its
    hindcast of the test period (made by verify) the last initial time that has observations. Below
    the forecast stand the observation and the error, where they are known. Coastlines and borders
    come with the package; maps.overlay draws your own lines. Of videos and other sequences without
    a place, all frames are drawn: inputs, truth, prediction and error.
    """
    own_data = None if forecast is None else safe_name(Path(forecast).stem)
    study = open_study(session, config, overrides, own_data=own_data)
    if forecast is None:
        paths, folder, nearby = _of_study(study), study.maps, [study.store]
    else:
        path = Path(forecast)
        around = [path.parent, path.parent.parent]
        nearby = [place / STORE for place in around]
        home = next((place for place in around if (place / STORE).exists()), path.parent)
        paths, folder = [path], home / MAPS
    from stforecast.maps import plot, plot_sequences
    from stforecast.maps.sequences import sequence_dimension
    from stforecast.product import open_product

    options = study.experiment.maps
    if output is not None:
        folder = Path(output)
    require_folder(folder, "maps")
    record = _record(observations, nearby, study)
    pictures: dict[Path, None] = {}
    refusals: list[MapError] = []
    for path in paths:
        product = open_product(path)
        videos = sequence_dimension(product)
        try:
            if videos is not None:
                drawn = plot_sequences(
                    product,
                    folder,
                    variables=list(variable) or options.variables,
                    lead_time=[*lead_time] or options.lead_time,
                    sequences=_named(product, videos, sequences),
                    init_time=init_time,
                    observed=None if record is None else record.observations(),
                    cmap=options.cmap,
                )
                pictures |= dict.fromkeys(drawn)
                continue
            observed = _observed(product, record, always=bool(observations))
            if record is not None and record.meta.sequence_name in product.dims:
                dim = str(record.meta.sequence_name)
                product, observed = _of_sequence(product, observed, dim, sequences)
            elif sequences:
                raise MapError(f"{path} is not of several sequences, so there is no {sequences[0]}")
            drawn = plot(
                product,
                folder,
                variables=list(variable) or options.variables,
                lead_time=[*lead_time] or options.lead_time,
                init_time=init_time,
                observed=observed,
                overlay=study.overlay,
                projection=options.projection,
                cmap=options.cmap,
            )
        except MapError as refusal:
            # one of the two may lack the initial time, lead time or sequence asked for
            refusals.append(refusal)
        else:
            pictures |= dict.fromkeys(drawn)
    if not pictures:
        raise refusals[0]
    for picture in pictures:
        click.echo(f"Map: {picture}")


def _of_study(study: Study) -> list[Path]:
    """The experiment's forecast and its hindcast, those of them that are there."""
    paths = [study.forecast, study.verification / HINDCAST]
    found = [path for path in paths if path.exists()]
    if not found:
        raise DataError(
            f"there is no forecast at {study.forecast}; make one with "
            f"`stforecast forecast{study.run_flags}`, or name its file"
        )
    return found


def _record(
    observations: tuple[str, ...], nearby: Sequence[Location], study: Study
) -> "TensorStore | None":
    """The observations asked for, else the tensor store that the forecast was made from."""
    if observations:
        return record_of(observations, study.experiment.data)
    from stforecast.store import TensorStore

    for path in nearby:
        if path.exists():
            return TensorStore.open(path)
    return None


def _observed(
    product: "xr.Dataset", record: "TensorStore | None", *, always: bool
) -> "xr.Dataset | None":
    """The observations; without `always` only where they reach the times that are forecast."""
    if record is None:
        return None
    if not always:
        try:
            positions = record.axis.positions(product["valid_time"].values.ravel())
        except DataError:
            return None
        if not ((positions >= 0) & (positions < record.axis.size)).any():
            return None
    return record.observations()


def _named(product: "xr.Dataset", dim: str, sequences: tuple[str, ...]) -> list[str] | None:
    """The sequences asked for, those between commas each by itself; None for none."""
    from stforecast.maps.sequences import sequence_names

    known = set(sequence_names(product, dim))
    return [
        name.strip()
        for text in sequences
        for name in ([text] if text in known else text.split(","))
    ] or None


def _of_sequence(
    product: "xr.Dataset", observed: "xr.Dataset | None", dim: str, sequences: tuple[str, ...]
) -> "tuple[xr.Dataset, xr.Dataset | None]":
    """One of several sequences, by its name or number, in the forecast and in its observations."""
    from stforecast.maps.sequences import choose_sequences

    wanted = _named(product, dim, sequences)
    if wanted is not None and len(wanted) > 1:
        raise MapError("a map is of one sequence; name a single one with --sequence")
    chosen = product.isel({dim: choose_sequences(product, dim, wanted)[0]})
    if observed is None:
        return chosen, None
    label = chosen[dim].values[()]
    # a source that does not name its sequences has them numbered
    return chosen, observed.sel({dim: label}) if dim in observed.coords else observed.isel(
        {dim: int(label)}
    )
