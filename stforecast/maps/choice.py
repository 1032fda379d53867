"""Which variables, initial time and lead times to draw."""

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, MapError
from stforecast.maps.labels import Times
from stforecast.product.conform import forecast_variables
from stforecast.timeaxis import TimeStep, normalise_stamps, span_text

# Lead times that are drawn unless the user says which.
_FEW = 4

LeadTime = int | str | np.timedelta64


def choose_variables(forecast: xr.Dataset, wanted: Sequence[str] | None) -> list[str]:
    """The variables named, or all; MapError, with the nearest, for one there is not."""
    known = forecast_variables(forecast)
    if not known:
        raise MapError("there is nothing to draw: no variable has fields of initial and lead time")
    if wanted is None:
        return known
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
            raise MapError(f"the forecast has no variable {name!r}{hint}")
    return list(wanted)


def choose_leads(forecast: xr.Dataset, wanted: Sequence[LeadTime] | LeadTime | None) -> list[int]:
    """Positions of the lead times named, in steps or as durations; by default up to four.

    MapError for one that the forecast does not have.
    """
    leads = forecast[names.LEAD_TIME].values
    if wanted is None:
        few = np.linspace(0, leads.size - 1, min(_FEW, leads.size))
        return [int(at) for at in np.unique(np.rint(few))]
    if isinstance(wanted, (int, str, np.integer, np.timedelta64)):
        wanted = [wanted]
    return [_lead_position(forecast, lead) for lead in wanted]


def _lead_position(forecast: xr.Dataset, wanted: Any) -> int:
    leads = forecast[names.LEAD_TIME].values
    durations = leads.dtype.kind == "m"
    if durations:
        numbers = leads.astype("timedelta64[ns]").astype(np.int64)
        unit = int(np.gcd.reduce(np.abs(numbers))) or 1
    else:
        numbers, unit = leads.astype(np.int64), 1
    times = Times(forecast)
    target: float
    if isinstance(wanted, np.timedelta64):
        target = float(wanted / np.timedelta64(1, "ns")) if durations else np.nan
    elif isinstance(wanted, str) and not wanted.strip().isdigit():
        try:
            step = TimeStep.parse(wanted.strip().lstrip("+"))
        except ConfigError as error:
            raise MapError(f"lead_time {error}") from None
        if durations:
            target = step.seconds * 1e9 if step.is_fixed else np.nan
        else:
            target = step.months / times.months_per_lead if times.months_per_lead else np.nan
    else:
        target = int(wanted) * unit
    found = np.flatnonzero(numbers == target)
    if found.size == 0:
        listed = ", ".join(times.lead(lead) for lead in leads[:12])
        more = ", …" if leads.size > 12 else ""
        raise MapError(f"the forecast has no lead time {wanted}; it has {listed}{more}")
    return int(found[0])


def choose_init(
    forecast: xr.Dataset, wanted: Any, leads: Sequence[int], observed: NDArray[np.int64] | None
) -> int:
    """Position of an initial time.

    By default the last one all of whose chosen lead times were observed (`observed`: where each is
    among the observations, -1 for nowhere), else the last with any, else the last. MapError when
    the one asked for is not there.
    """
    if wanted is not None:
        return _init_position(forecast, wanted)
    if observed is not None:
        known = observed[:, list(leads)] >= 0
        for enough in (known.all(axis=1), known.any(axis=1)):
            if enough.any():
                return int(np.flatnonzero(enough)[-1])
    return int(forecast.sizes[names.INIT_TIME]) - 1


def _init_position(forecast: xr.Dataset, wanted: Any) -> int:
    inits = normalise_stamps(forecast[names.INIT_TIME].values)
    if isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool):
        if -inits.size <= wanted < inits.size:
            return int(wanted) % inits.size
        raise MapError(f"the forecast has {inits.size} initial times, so none of number {wanted}")
    times = Times(forecast)
    if times.frames and isinstance(wanted, str):
        text = f"frame {wanted.strip().removeprefix('frame').strip()}"
        texts = [times.stamp(stamp) for stamp in inits]
        if text in texts:
            return texts.index(text)
    texts = [_iso(stamp) for stamp in inits]
    if isinstance(wanted, str):
        text = wanted.strip().replace(" ", "T")
    else:
        text = _iso(normalise_stamps(np.asarray(wanted))[()])
    exact = [at for at, full in enumerate(texts) if full == text.ljust(19, "?") or full == text]
    midnight = [at for at, full in enumerate(texts) if full == f"{text}T00:00:00"]
    within = [at for at, full in enumerate(texts) if full.startswith(text)]
    for found in (exact, midnight, within):
        if len(found) == 1:
            return found[0]
    if within:
        raise MapError(f"the forecast has {len(within)} initial times in {wanted}; say which")
    there = span_text(inits[0], inits[-1], frames=times.frames)
    if inits.size > 1:
        there = f"{inits.size}, {there}"
    raise MapError(f"the forecast has no initial time {wanted}; it has {there}")


def _iso(stamp: Any) -> str:
    if isinstance(stamp, np.datetime64):
        return str(stamp.astype("datetime64[s]"))
    clock = f"{stamp.hour:02d}:{stamp.minute:02d}:{stamp.second:02d}"
    return f"{stamp.year:04d}-{stamp.month:02d}-{stamp.day:02d}T{clock}"
