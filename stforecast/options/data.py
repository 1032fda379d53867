"""Options of the data: which files, which part of them, where on earth, and how they are split."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from stforecast.options.base import OneOrMore, Options
from stforecast.options.storage import StorageOptions
from stforecast.options.transform import (
    Accumulated,
    CoarsenOptions,
    ResampleOptions,
    SpaceMethod,
    TimeMethod,
)
from stforecast.options.videos import FrameOptions, MovingMNISTOptions


def _named_variables(value: Any) -> Any:
    """A bare list of names is short for a mapping with no further options."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return {name: {} for name in value}
    if isinstance(value, dict):
        return {name: {} if options is None else options for name, options in value.items()}
    return value


def _as_dates(value: Any) -> Any:
    """A date alone is a period of itself, and a year that YAML read as a number is a date too.

    A period that is counted back from the end, such as ``last 28D``, becomes ("last", "28D").
    """
    if isinstance(value, str) and value.startswith("last "):
        return ("last", value.removeprefix("last ").strip())
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        value = (value, value)
    if isinstance(value, (list, tuple)):
        return tuple(str(date) if type(date) is int else date for date in value)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value} is no number; write the value that stands for a missing one")
    return value


Mark = Annotated[float, BeforeValidator(_number)]
"""A value that stands for a missing one."""


class VariableOptions(Options):
    """One variable to forecast."""

    source: str | None = Field(None, description="name of the variable in the files, if it differs")
    index: int | None = Field(
        None, ge=0, description="channel in a file whose channels have no names (deepst)"
    )
    units: str | None = Field(None, description="units, where the files have none")
    missing: OneOrMore[Mark] = Field(
        default_factory=list,
        description="values that mark missing ones and that the files do not declare as such, "
        "such as -1000 or [-9999, 1e36]",
    )
    long_name: str | None = Field(None, description="words for titles and colour bars")
    minimum: float | None = Field(None, description="no forecast is below this value")
    maximum: float | None = Field(None, description="no forecast is above this value")
    daylight: bool = Field(
        False,
        description="forecasts are 0 where the sun is below the horizon during the whole step that "
        "ends at their time, as for radiation",
    )
    coarsen: SpaceMethod | None = Field(
        None,
        description="how data.coarsen makes one value of several cells: mean (by area on the "
        "sphere), sum, max or min; by the cell methods of the file, else mean",
    )
    resample: TimeMethod | None = Field(
        None,
        description="how data.resample makes one value of those within a longer step: mean, sum, "
        "max, min, or instantaneous (the one at its stamp); by the cell methods of the file, else "
        "mean",
    )
    accumulated: Accumulated | None = Field(
        None,
        description="values are sums, which become those over each time step: step (they are, as "
        "in ERA5), forecast (since the start of the forecast in the file), or how often they begin "
        "anew, counted from midnight (24h as in ERA5-Land)",
    )
    rate: bool = Field(
        False,
        description="sums over each time step become means per second, J m-2 becomes W m-2; with "
        "units, in those",
    )
    static: bool = Field(
        False,
        description="the same at all times, such as a land mask in a file of one time; variables "
        "without a time are so by themselves",
    )
    stamp: Literal["start", "end"] | None = Field(
        None,
        description="which end of the time that a value stands for its stamp is; by time bounds, "
        "else end for sums and rates and start for others",
    )


class GridOptions(Options):
    """Where a bare grid lies: its outer edges, in degrees or in the units of `crs`."""

    west: float
    east: float
    south: float
    north: float
    first_row: Literal["north", "south"] = Field(
        "north", description="which edge the first row of the file lies at"
    )
    crs: str = Field("EPSG:4326", description="anything pyproj.CRS.from_user_input understands")


class RegionOptions(Options):
    """A part of the grid, by the centres of its cells, in the source's own coordinates.

    With west > east the region crosses the source's seam in longitude.
    """

    west: float
    east: float
    south: float
    north: float


Slots = Literal["auto", "hour", "slot24", "slot48"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Period = Annotated[tuple[str, str], BeforeValidator(_as_dates)]


class SplitOptions(Options):
    """Periods of training, validation and test: fractions of the record, in this order, or dates.

    A date may be as short as its precision (``2012``, ``2012-12``, ``2012-12-31``): both ends of a
    period include all of it, and a date alone is a period. Test and validation may be counted back
    from the end: ``last 28D`` are the valid times of the forecasts, and ``last 500 windows`` the
    forecasts themselves; what lies before is for training.
    """

    train: Period | Fraction | None = None
    validation: Period | Fraction | None = None
    test: Period | Fraction | None = None

    @model_validator(mode="after")
    def _fractions_fit(self) -> "SplitOptions":
        given = [part for part in (self.train, self.validation, self.test) if part is not None]
        fractions = [part for part in given if isinstance(part, float)]
        if sum(fractions) > 1 + 1e-9:
            raise ValueError(f"the fractions of the split add up to {sum(fractions):g}, over 1")
        return self


class SourceOptions(Options):
    """One of several sources of a record; what it leaves out is as the section `data` says."""

    files: OneOrMore[str] = Field(min_length=1, description="as data.files")
    variables: Annotated[dict[str, VariableOptions] | None, BeforeValidator(_named_variables)] = (
        Field(None, description="variables to take from these files; all by default")
    )
    timezone: str | None = Field(
        None, description="clock of the time stamps in these files; they are put on data.timezone"
    )
    reader: str | None = Field(None, description="as data.reader")
    slots: Slots | None = Field(None, description="as data.slots")
    time_step: str | None = Field(None, description="as data.time_step")
    select: dict[str, float | int | str] | None = Field(None, description="as data.select")
    region: RegionOptions | None = Field(None, description="as data.region")
    grid: GridOptions | None = Field(None, description="as data.grid")
    coarsen: CoarsenOptions | None = Field(None, description="as data.coarsen")
    resample: ResampleOptions | None = Field(None, description="as data.resample")


class DataOptions(Options):
    """Files, and what of them becomes the tensor store."""

    files: OneOrMore[str] = Field(
        default_factory=list,
        description="paths or patterns, relative to the experiment file, or addresses "
        "(s3://, gs://, https://); package:NAME/PATH is a file inside an installed Python package",
    )
    sources: list[SourceOptions] = Field(
        default_factory=list,
        description="in place of files: several sources, each with files, variables and clock of "
        "its own, on one grid and one time axis (docs/data.md)",
    )
    join: Literal["outer", "inner"] = Field(
        "outer",
        description="times of several sources: those of any, or only those that all of them have",
    )
    reader: str | None = Field(
        None,
        description="netcdf, deepst, moving-mnist or frames; found from the files by default",
    )
    store: str | None = Field(
        None, description="the tensor store, or its address; runs/<name>/store.zarr by default"
    )
    storage: StorageOptions = Field(
        default_factory=StorageOptions, description="how the store is cut and compressed"
    )
    timezone: str | None = Field(
        None, description="clock of the time stamps, as in the IANA database; UTC by default"
    )
    slots: Slots = Field(
        "auto",
        description="last digits of a deepst date: hour of day 00-23, slots 01-24 or 01-48",
    )
    time_step: str | None = Field(
        None, description="step of the time axis (30min, 1h, 1D, 1M, 1Y); found by default"
    )
    variables: Annotated[dict[str, VariableOptions] | None, BeforeValidator(_named_variables)] = (
        Field(None, description="variables to take, by their name in the store; all by default")
    )
    select: dict[str, float | int | str] = Field(
        default_factory=dict,
        description="one value of each further dimension, such as {level: 500}",
    )
    region: RegionOptions | None = Field(None, description="part of the grid")
    period: Period | None = Field(None, description="part of the record, first and last date")
    grid: GridOptions | None = Field(None, description="place of a grid without coordinates")
    coarsen: CoarsenOptions | None = Field(
        None, description="larger cells, such as 2 or {y: 2, x: 4}"
    )
    resample: ResampleOptions | None = Field(
        None, description="longer time steps, such as 1D or {step: 1D, missing: 0.1}"
    )
    sequence: str | None = Field(
        None,
        description="dimension that counts independent sequences (videos, cities), if there is "
        "one; one called sequence is known as such",
    )
    moving_mnist: MovingMNISTOptions = Field(
        default_factory=MovingMNISTOptions, description="what the reader moving-mnist makes"
    )
    frames: FrameOptions = Field(
        default_factory=FrameOptions, description="how the reader frames takes its sequences"
    )
    split: SplitOptions = Field(
        default_factory=SplitOptions, description="training, validation and test period"
    )

    @model_validator(mode="after")
    def _files_or_sources(self) -> "DataOptions":
        if self.sources:
            for key in ("files", "variables"):
                if getattr(self, key):
                    raise ValueError(f"{key} are named in each of data.sources; leave {key} out")
        return self

    def of_source(self, source: SourceOptions) -> "DataOptions":
        """The options of one of the sources by itself, of which the whole period is taken."""
        own = {key: getattr(source, key) for key in source.model_fields_set}
        kept = {key: value for key, value in own.items() if value is not None}
        return self.model_copy(update={"sources": [], "period": None, **kept})
