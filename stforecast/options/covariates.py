"""Options of what a model is told besides its history."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from stforecast.options.base import OneOrMore, Options

CalendarField = Literal["hour", "weekday", "month", "day_of_year"]
SunField = Literal["elevation", "irradiance"]
GridField = Literal["latitude", "longitude", "area", "row", "column"]
Known = Literal["past", "future", "static"]
_ZONE = "clock, as in the IANA database, in which {}; that of the record by default"


class CalendarCovariate(Options):
    """Calendar fields of each valid time as sine and cosine."""

    calendar: OneOrMore[CalendarField] = Field(min_length=1)
    timezone: str | None = Field(None, description=_ZONE.format("hours and days are counted"))


class HolidayOptions(Options):
    """Which days are holidays: those of a country, or the dates in a file."""

    country: str | None = Field(None, description="ISO code of a country, such as US")
    subdivision: str | None = Field(None, description="ISO code of a part of it, such as NY")
    file: str | None = Field(
        None, description="text file of dates, one a line (DeepST's BJ_Holiday.txt)"
    )

    @model_validator(mode="before")
    @classmethod
    def _country_alone(cls, value: Any) -> Any:
        return {"country": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_them(self) -> "HolidayOptions":
        if (self.country is None) == (self.file is None):
            raise ValueError("holidays are those of a country or those in a file: give one of them")
        if self.subdivision is not None and self.country is None:
            raise ValueError("a subdivision goes with its country")
        return self


class HolidayCovariate(Options):
    """Whether the day of each valid time, the one after and the one before are holidays."""

    holidays: HolidayOptions
    timezone: str | None = Field(None, description=_ZONE.format("a day is a day"))


class SunCovariate(Options):
    """Where the sun stands over each cell at each valid time.

    ``elevation`` is the sine of the sun's elevation. ``irradiance`` is what would reach a level
    surface without an atmosphere, as part of the most there can be, over the step that ends at the
    valid time: what radiation that is summed over its step goes with.
    """

    sun: OneOrMore[SunField] = Field(min_length=1)


class GridCovariate(Options):
    """What the grid itself says of its cells."""

    grid: OneOrMore[GridField] = Field(min_length=1)


class StaticCovariate(Options):
    """Fields of the record that are the same at all times, such as a land mask or orography."""

    static: OneOrMore[str] = Field(min_length=1)


class FileCovariate(Options):
    """Values from the user's own file: a series, or fields on the grid of the record.

    Files are CSV (one row a time), NetCDF, Zarr or GRIB (with a time axis, or static without), and
    HDF5 as DeepST has its meteorology (``date`` and arrays beside it).
    """

    file: str = Field(description="path or pattern, relative to the experiment file")
    columns: OneOrMore[str] | None = Field(
        None, description="columns or variables to take; all that hold numbers by default"
    )
    known: Known | None = Field(
        None,
        description="past (observed: never read beyond the initial time), future (known in "
        "advance, such as a plan) or static; past by default, static where there is no time",
    )
    time: str | None = Field(None, description="name of the column of times; found by default")
    time_format: str | None = Field(
        None, description="how times are written if not as 2012-12-31T05, such as %d.%m.%Y %H:%M"
    )
    timezone: str | None = Field(
        None, description="clock of the times in the file; that of the record by default"
    )
    slots: Literal["auto", "hour", "slot24", "slot48"] = Field(
        "auto", description="last digits of dates such as 2013070148, as for data.slots"
    )
    max_age: str | None = Field(
        None,
        description="how long a value holds after its time (3h); until the next row is due by "
        "default",
    )


class ClimatologyCovariate(Options):
    """What is usual at each time, by ``windows.climatology``: a field for each variable."""

    climatology: Literal[True]


# A further source: its options, named by the key that tells them from the others.
_BY_KEY: dict[str, type[BaseModel]] = {
    "calendar": CalendarCovariate,
    "holidays": HolidayCovariate,
    "sun": SunCovariate,
    "grid": GridCovariate,
    "static": StaticCovariate,
    "file": FileCovariate,
    "climatology": ClimatologyCovariate,
}


def _kind_of(value: Any) -> str:
    """The options that a mapping is meant to be, by its keys or else by the nearest to one."""
    if isinstance(value, BaseModel):
        return type(value).__name__
    keys = [str(key) for key in value] if isinstance(value, dict) else []
    for key in keys:
        if key in _BY_KEY:
            return _BY_KEY[key].__name__
    near = [found for key in keys for found in difflib.get_close_matches(key, _BY_KEY, n=1)]
    return _BY_KEY[near[0] if near else "calendar"].__name__


CovariateOptions = Annotated[
    Annotated[CalendarCovariate, Tag("CalendarCovariate")]
    | Annotated[HolidayCovariate, Tag("HolidayCovariate")]
    | Annotated[SunCovariate, Tag("SunCovariate")]
    | Annotated[GridCovariate, Tag("GridCovariate")]
    | Annotated[StaticCovariate, Tag("StaticCovariate")]
    | Annotated[FileCovariate, Tag("FileCovariate")]
    | Annotated[ClimatologyCovariate, Tag("ClimatologyCovariate")],
    Discriminator(_kind_of),
]


def located(covariates: Sequence[CovariateOptions], base: Path) -> list[CovariateOptions]:
    """The same, with files that were relative to a folder as seen from the working directory."""
    found: list[CovariateOptions] = []
    for item in covariates:
        if isinstance(item, FileCovariate):
            item = item.model_copy(update={"file": _seen(item.file, base)})
        elif isinstance(item, HolidayCovariate) and item.holidays.file is not None:
            update = {"file": _seen(item.holidays.file, base)}
            item = item.model_copy(update={"holidays": item.holidays.model_copy(update=update)})
        found.append(item)
    return found


def moved(
    covariates: Sequence[CovariateOptions], now: Sequence[CovariateOptions]
) -> list[CovariateOptions]:
    """The same, with the paths that files of the same names have among others."""
    paths = {Path(path).name: path for item in now if (path := file_of(item)) is not None}
    found: list[CovariateOptions] = []
    for item in covariates:
        path = paths.get(Path(file_of(item) or "").name)
        if path is not None and isinstance(item, FileCovariate):
            item = item.model_copy(update={"file": path})
        elif path is not None and isinstance(item, HolidayCovariate):
            listed = item.holidays.model_copy(update={"file": path})
            item = item.model_copy(update={"holidays": listed})
        found.append(item)
    return found


def file_of(item: CovariateOptions) -> str | None:
    """The file that a covariate comes from, if it does."""
    if isinstance(item, FileCovariate):
        return item.file
    return item.holidays.file if isinstance(item, HolidayCovariate) else None


def _seen(file: str, base: Path) -> str:
    return file if file.startswith("package:") or "://" in file else str(base / file)
