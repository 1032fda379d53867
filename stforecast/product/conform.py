"""Any forecast brought into the form of the project's own.

Forecasts of other models name their axes otherwise: ``time`` and ``step`` (GRIB), ``time`` and
``prediction_timedelta`` (WeatherBench), one initial time as a scalar beside ``time``. Scores and
maps want one form: dimensions ``init_time`` and ``lead_time`` and the coordinate ``valid_time``.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.product.uncertainty import is_bound
from stforecast.timeaxis import normalise_stamps

_INIT_NAMES = (
    names.INIT_TIME,
    "forecast_reference_time",
    "reftime",
    "initialization_time",
    "initial_time",
    "init",
)
_LEAD_NAMES = (names.LEAD_TIME, "step", "prediction_timedelta", "leadtime", "lead")
_TIME_NAMES = (names.TIME, names.VALID_TIME)
_MEMBER_NAMES = (names.MEMBER, "number", "realization", "ensemble", "ens")
_NANOSECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 10**9),
    **dict.fromkeys(("min", "minute", "minutes"), 60 * 10**9),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600 * 10**9),
    **dict.fromkeys(("d", "day", "days"), 86_400 * 10**9),
}


def conform(dataset: xr.Dataset) -> xr.Dataset:
    """The forecast with dimensions `init_time` and `lead_time` first, and `valid_time` of both.

    A forecast of the project passes unchanged. Fields along time alone, which name no initial time,
    become forecasts for lead time 0: a simulation can be scored and drawn, but has no leads.
    DataError, in a sentence, for a dataset without any axis of time.
    """
    if _is_product(dataset):
        return dataset
    init, lead = _find(dataset, "init"), _find(dataset, "lead")
    if lead is not None and init is None:
        init = _time_of(dataset, lead)
    if lead is not None and init is not None and not _counts_from(dataset, init, lead):
        result = _rename(dataset, {init: names.INIT_TIME, lead: names.LEAD_TIME})
    else:
        result = _from_time(dataset, init)
    for name in (names.INIT_TIME, names.LEAD_TIME):
        if name not in result.dims:
            result = _spread(result, name)
    result = _with_members(_without_single_levels(_with_times(result)))
    return result.transpose(names.INIT_TIME, names.LEAD_TIME, ...)


def forecast_variables(forecast: xr.Dataset) -> list[str]:
    """Names of the numeric variables that have initial and lead times and a field at each.

    Bounds of intervals are not among them: they belong to a variable.
    """
    return [
        str(name)
        for name, variable in forecast.data_vars.items()
        if {names.INIT_TIME, names.LEAD_TIME} < set(variable.dims)
        and variable.dtype.kind in "fiu"
        and variable.ndim >= 4
        and not is_bound(variable)
    ]


def _is_product(dataset: xr.Dataset) -> bool:
    dims = (names.INIT_TIME, names.LEAD_TIME)
    valid = dataset.coords.get(names.VALID_TIME)
    return (
        all(dim in dataset.indexes for dim in dims)
        and valid is not None
        and valid.dims == dims
        and dataset[names.LEAD_TIME].dtype.kind in "mi"
    )


def _find(dataset: xr.Dataset, what: str) -> str | None:
    """Name of the coordinate, of one dimension or none, that is the initial or the lead time."""
    known, standard = (
        (_INIT_NAMES, "forecast_reference_time")
        if what == "init"
        else (_LEAD_NAMES, "forecast_period")
    )
    named = [name for name in known if name in dataset.coords]
    described = [
        str(name)
        for name, coordinate in dataset.coords.items()
        if coordinate.attrs.get("standard_name") == standard and coordinate.ndim <= 1
    ]
    found = [name for name in named + described if dataset[name].ndim <= 1]
    along = [name for name in found if dataset[name].dims == (name,)]
    return next(iter(along or found), None)


def _time_of(dataset: xr.Dataset, lead: str) -> str | None:
    """The time from which leads count, when its name is plain ``time``."""
    for name in _TIME_NAMES:
        if name in dataset.coords and dataset[name].ndim <= 1 and name != lead:
            return name
    return None


def _counts_from(dataset: xr.Dataset, init: str, lead: str) -> bool:
    """Whether leads stand beside dates, and but say how long those are after one initial time."""
    along = dataset[lead].dims
    return (
        dataset[init].ndim == 0
        and len(along) == 1
        and along[0] != lead
        and along[0] in dataset.coords
        and _holds_dates(dataset[along[0]])
    )


def _from_time(dataset: xr.Dataset, init: str | None) -> xr.Dataset:
    """Fields along time, of one forecast whose initial time stands beside, or of none."""
    time = next(
        (
            str(name)
            for name, coordinate in dataset.coords.items()
            if coordinate.dims == (name,) and _holds_dates(coordinate)
        ),
        None,
    )
    if time is None:
        raise DataError(
            "this is not a forecast: it has no dimension of initial times or of times with dates"
        )
    if init is None or dataset[init].ndim or init == time:
        result = _rename(dataset, {time: names.INIT_TIME})
        return result.assign_coords({names.LEAD_TIME: np.timedelta64(0, "ns")})
    if init != names.INIT_TIME:
        dataset = dataset.rename({init: names.INIT_TIME})
    leads = _differences(dataset[time].values, dataset[names.INIT_TIME].values)
    result = dataset.drop_vars([names.LEAD_TIME], errors="ignore").rename({time: names.LEAD_TIME})
    return result.assign_coords({names.LEAD_TIME: leads})


def _rename(dataset: xr.Dataset, new: dict[str, str]) -> xr.Dataset:
    """Rename coordinates and, with them, the dimension each lies along."""
    in_the_way = {name for name in new.values() if name in dataset.variables and name not in new}
    # the own coordinate of a dimension that takes the name of another coordinate along it
    in_the_way |= {
        str(dim)
        for old in new
        for dim in dataset[old].dims
        if dim != old and dim in dataset.coords and dim not in new
    }
    result = dataset.drop_vars(in_the_way)
    changes: dict[Hashable, str] = {}
    for old, name in new.items():
        if old != name:
            changes[old] = name
            changes.update({dim: name for dim in result[old].dims if dim != old})
        else:
            changes.update({dim: name for dim in result[old].dims if dim != name})
    return result.rename(changes)


def _spread(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Give the fields a dimension of length one for a time that is a scalar."""
    scalar = dataset[name].variable
    fields = [
        variable_name
        for variable_name, variable in dataset.data_vars.items()
        if variable.ndim >= 2
        and (names.INIT_TIME in variable.dims or names.LEAD_TIME in variable.dims)
    ]
    bare = dataset.drop_vars(name)
    result = bare.assign({field: bare[field].expand_dims(name) for field in fields})
    return result.assign_coords({name: (name, np.atleast_1d(scalar.values), scalar.attrs)})


def _without_single_levels(dataset: xr.Dataset) -> xr.Dataset:
    """Drop dimensions of length one beside times, rows and columns: the only level or member."""
    times = (names.INIT_TIME, names.LEAD_TIME)
    single: set[Hashable] = set()
    for variable in dataset.data_vars.values():
        if variable.ndim > 4:
            single |= {
                dim for dim, size in variable.sizes.items() if size == 1 and dim not in times
            }
    return dataset.squeeze(sorted(single, key=str))


def _with_members(dataset: xr.Dataset) -> xr.Dataset:
    """With the dimension of members called `member`, and first after the times."""
    described = [
        str(name)
        for name, coordinate in dataset.coords.items()
        if coordinate.attrs.get("standard_name") == "realization"
    ]
    found = next((name for name in (*_MEMBER_NAMES, *described) if name in dataset.dims), None)
    if found is None:
        return dataset
    if found != names.MEMBER:
        dataset = dataset.drop_vars(names.MEMBER, errors="ignore").rename({found: names.MEMBER})
    return dataset.transpose(names.MEMBER, ...)


def _with_times(dataset: xr.Dataset) -> xr.Dataset:
    init, lead = dataset[names.INIT_TIME], dataset[names.LEAD_TIME]
    if not _holds_dates(init):
        raise DataError(f"the initial times of the forecast are no dates but {init.dtype}")
    valid = dataset.coords.get(names.VALID_TIME)
    if valid is not None and set(valid.dims) != {names.INIT_TIME, names.LEAD_TIME}:
        dataset, valid = dataset.drop_vars(names.VALID_TIME), None
    if lead.dtype.kind in "fiu":
        nanoseconds = _NANOSECONDS.get(str(lead.attrs.get("units", "")).strip().lower())
        if nanoseconds is not None:
            attributes = {key: value for key, value in lead.attrs.items() if key != "units"}
            values = np.rint(lead.values * nanoseconds).astype("timedelta64[ns]")
            dataset = dataset.assign_coords(
                {names.LEAD_TIME: (names.LEAD_TIME, values, attributes)}
            )
        elif valid is None or lead.dtype.kind == "f":
            raise DataError(
                f"the lead times of the forecast ({lead.name}) have no units of time; set their "
                "attribute units, to hours for instance"
            )
    elif lead.dtype.kind != "m":
        raise DataError(f"the lead times of the forecast are no durations but {lead.dtype}")
    if valid is None:
        times = add_leads(dataset[names.INIT_TIME].values, dataset[names.LEAD_TIME].values)
        dataset = dataset.assign_coords(
            {
                names.VALID_TIME: (
                    (names.INIT_TIME, names.LEAD_TIME),
                    times,
                    {"standard_name": "time", "long_name": "valid time"},
                )
            }
        )
    return dataset


def add_leads(init_times: NDArray[Any], leads: NDArray[Any]) -> NDArray[Any]:
    """Valid times (init, lead) of initial times in any calendar and durations."""
    starts = normalise_stamps(init_times)
    if starts.dtype.kind == "M":
        result: NDArray[Any] = starts[:, None] + leads[None, :]
        return result
    spans = np.array([pd.Timedelta(lead).to_pytimedelta() for lead in leads], dtype=object)
    times: NDArray[Any] = starts[:, None] + spans[None, :]
    return times


def _differences(times: NDArray[Any], start: NDArray[Any]) -> NDArray[Any]:
    """Durations since `start`, in any calendar."""
    stamps, origin = normalise_stamps(times), normalise_stamps(start)
    if stamps.dtype.kind == "M" and origin.dtype.kind == "M":
        spans_: NDArray[Any] = (stamps - origin).astype("timedelta64[ns]")
        return spans_
    try:
        spans = stamps - origin[()]
    except TypeError:
        raise DataError(
            "the initial time and the times of the forecast follow different calendars"
        ) from None
    return np.array([pd.Timedelta(span) for span in spans], dtype="timedelta64[ns]")


def _holds_dates(coordinate: xr.DataArray) -> bool:
    if coordinate.dtype.kind == "M":
        return True
    if coordinate.dtype.kind != "O" or coordinate.size == 0:
        return False
    return hasattr(coordinate.values.ravel()[0], "calendar")
