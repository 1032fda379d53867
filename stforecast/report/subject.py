"""What a report is about: scores, the forecasts and observations behind them, and their making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.card import RunCard
from stforecast.errors import DataError
from stforecast.timeaxis import counts_frames
from stforecast.verification.pooling import pooled
from stforecast.verification.text import lead_texts

REGION = "region"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_GROUPS = ("hour", "weekday", "month", "season")


class Results:
    """Scores in the form that a report reads them.

    Args:
        scores: as :func:`stforecast.verification.verify` gives them.
        leads: the lead times in words, where they are no durations.

    Raises:
        DataError: this is no such dataset.
    """

    def __init__(self, scores: xr.Dataset, leads: Sequence[str] | None = None) -> None:
        self._leads = leads
        needed = ("rmse", "mae", "bias", "weight", "count")
        if any(name not in scores for name in needed) or names.SYSTEM not in scores.dims:
            raise DataError("these are not scores; make them with stforecast verify")
        self.all = scores
        self.systems = [str(name) for name in scores[names.SYSTEM].values]
        self.references = (
            [str(name) for name in scores[names.REFERENCE].values]
            if names.REFERENCE in scores.coords
            else []
        )
        self.forecasts = [name for name in self.systems if name not in self.references]
        self.variables = [str(name) for name in scores[names.VARIABLE].values]
        self.units = dict(
            zip(self.variables, map(str, scores["variable_units"].values), strict=True)
        )

    @property
    def main(self) -> str:
        """The forecast that is judged: the first one."""
        return self.forecasts[0]

    @property
    def groups(self) -> list[str]:
        """What scores are told apart by beside the lead time and the region."""
        return [name for name in _GROUPS if name in self.all["rmse"].dims]

    @cached_property
    def whole(self) -> xr.Dataset:
        """The scores of the whole area."""
        return self.all.isel({REGION: 0}) if REGION in self.all.dims else self.all

    @cached_property
    def by_lead(self) -> xr.Dataset:
        """Scores (forecast, variable, lead_time) of the whole area; without leads, of length one.

        Intervals are there only where the scores are apart by nothing else.
        """
        found = pooled(self.whole, self.groups) if self.groups else self.whole
        if names.LEAD_TIME not in found["rmse"].dims:
            found = found.expand_dims({names.LEAD_TIME: ["all"]}, axis=-1)
        return found

    @cached_property
    def overall(self) -> xr.Dataset:
        """Scores (forecast, variable) over all lead times and groups of the whole area."""
        dims = [*self.groups]
        if names.LEAD_TIME in self.whole["rmse"].dims:
            dims.append(names.LEAD_TIME)
        return pooled(self.whole, dims) if dims else self.whole

    def by_group(self, group: str) -> xr.Dataset:
        """Scores (forecast, variable, group or region) over all lead times and other groups."""
        scores = self.all if group == REGION else self.whole
        dims = [name for name in self.groups if name != group]
        if names.LEAD_TIME in scores["rmse"].dims:
            dims.append(names.LEAD_TIME)
        return pooled(scores, dims) if dims else scores

    @cached_property
    def has_leads(self) -> bool:
        """Whether scores are told apart by lead time."""
        return names.LEAD_TIME in self.whole["rmse"].dims

    @cached_property
    def are_frames(self) -> bool:
        """Whether lead times count frames of sequences without a clock."""
        return self.has_leads and counts_frames(self.whole[names.LEAD_TIME].attrs)

    @cached_property
    def leads(self) -> list[str]:
        """The lead times as text."""
        if not self.has_leads:
            return ["all"]
        texts = self._leads or lead_texts(self.by_lead[names.LEAD_TIME])
        if self.are_frames:
            texts = [f"{text} frame{'' if text == '1' else 's'}" for text in texts]
        return [text.replace(" ", "\N{NO-BREAK SPACE}") for text in texts]

    @cached_property
    def has_intervals(self) -> bool:
        """Whether skill has intervals per lead time."""
        return "skill_lower" in self.by_lead and bool(self.by_lead["skill_lower"].notnull().any())

    def rmse(self, system: str, variable: str) -> NDArray[np.float64]:
        """RMSE (lead_time) of a forecast or reference."""
        return self._values("rmse", system, variable)

    def metric(self, name: str, system: str, variable: str) -> NDArray[np.float64]:
        """A metric of cells (lead_time) of a forecast or reference."""
        return self._values(name, system, variable)

    def _values(self, metric: str, system: str, variable: str) -> NDArray[np.float64]:
        at = {names.SYSTEM: system, names.VARIABLE: variable}
        return np.asarray(self.by_lead[metric].sel(at).values, np.float64).reshape(-1)

    def skill(
        self, system: str, reference: str, variable: str, what: str = "skill"
    ) -> NDArray[np.float64] | None:
        """Skill (lead_time), or one end of its interval; None where there is no such thing."""
        if what not in self.by_lead:
            return None
        at = {names.SYSTEM: system, names.REFERENCE: reference, names.VARIABLE: variable}
        return np.asarray(self.by_lead[what].sel(at).values, np.float64).reshape(-1)

    def best_reference(self, variable: str) -> str | None:
        """The reference of the smallest RMSE over all lead times."""
        found = {
            name: float(self.overall["rmse"].sel({names.SYSTEM: name, names.VARIABLE: variable}))
            for name in self.references
        }
        known = {name: value for name, value in found.items() if np.isfinite(value)}
        return min(known, key=lambda name: known[name]) if known else None

    def sources(self) -> dict[str, str]:
        """What each forecast and reference is, in the words of the scores."""
        text = str(self.all.attrs.get("systems", ""))
        starts = []
        at = 0
        for name in self.systems:
            found = text.find(f"{name}: ", at)
            if found < 0:
                return {}
            starts.append(found)
            at = found + len(name) + 2
        ends = [*starts[1:], len(text)]
        return {
            name: text[start + len(name) + 2 : end].rstrip("; ")
            for name, start, end in zip(self.systems, starts, ends, strict=True)
        }


def group_labels(scores: xr.Dataset, group: str) -> list[str]:
    """Names of the hours, weekdays, months, seasons or regions."""
    values = scores[group].values
    if group == "hour":
        return [f"{int(value):02d}\N{NO-BREAK SPACE}h" for value in values]
    if group == "month":
        return [_MONTHS[int(value) - 1] for value in values]
    return [str(value) for value in values]


def known_thresholds(results: Results, variable: str) -> list[float]:
    """The thresholds that a variable was scored at."""
    if "csi" not in results.by_lead:
        return []
    csi = results.by_lead["csi"].sel({names.VARIABLE: variable, names.SYSTEM: results.systems})
    others = [dim for dim in csi.dims if dim != "threshold"]
    known = csi.notnull().any(others).values
    return [float(value) for value in csi["threshold"].values[known]]


def sharpness(results: Results, variable: str, system: str) -> NDArray[np.float64]:
    """Variance (lead_time) of the smaller half of the patterns, as a share of that observed."""
    scores = results.whole.sel({names.VARIABLE: variable})
    small = {"wavenumber": slice(scores.sizes["wavenumber"] // 2, None)}
    seen = scores["spectrum_observed"].isel(small).sum("wavenumber")
    made = scores["spectrum"].sel({names.SYSTEM: system}).isel(small).sum("wavenumber")
    return np.asarray((made / seen.where(seen > 0)).values, np.float64).reshape(-1)


@dataclass(frozen=True)
class Subject:
    """Everything that a report may use.

    Args:
        results: the scores.
        forecasts: products by the names that the scores have for them; references may be missing.
        observations: fields along time, as they were given to ``verify``.
        cards: cards of the runs that made forecasts, by name.
        sources: the files that the observations come from, as a tensor store describes them.
        files: likewise those of forecasts, by name.
        command: the command line, where there was one.
        overlay: GeoJSON file or shapefile to draw over maps.
    """

    results: Results
    forecasts: Mapping[str, xr.Dataset] = field(default_factory=dict)
    observations: xr.Dataset | None = None
    cards: Mapping[str, RunCard] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()
    files: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    command: str | None = None
    overlay: str | None = None

    @property
    def product(self) -> xr.Dataset | None:
        """The forecast that is judged."""
        return self.forecasts.get(self.results.main)

    def attribute(self, name: str) -> Any:
        """An attribute of the forecast that is judged; None where it is not told."""
        return None if self.product is None else self.product.attrs.get(name)

    def title_of(self, variable: str) -> str:
        """The name of a variable for people, in small letters."""
        if self.product is not None and variable in self.product:
            words = self.product[variable].attrs.get("long_name")
            if words:
                return str(words).replace("_", " ")
        return variable.replace("_", " ")
