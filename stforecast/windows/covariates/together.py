"""All covariates of a run together, and which class makes which of them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.options.covariates import (
    CalendarCovariate,
    FileCovariate,
    GridCovariate,
    HolidayCovariate,
    StaticCovariate,
    SunCovariate,
)
from stforecast.store import TensorStore
from stforecast.windows.covariates.base import (
    Covariate,
    Floats,
    Given,
    Kind,
    Limited,
    Positions,
    Setting,
)
from stforecast.windows.covariates.calendar import CalendarCovariates
from stforecast.windows.covariates.cells import GridCovariates
from stforecast.windows.covariates.files import FileCovariates, LostCovariates
from stforecast.windows.covariates.holidays import HolidayCovariates
from stforecast.windows.covariates.record import StaticCovariates
from stforecast.windows.covariates.sky import SunCovariates
from stforecast.windows.spec import Told, WindowSpec

SOURCES: Final[dict[type, Callable[[Any, Setting], Covariate]]] = {
    CalendarCovariate: CalendarCovariates.of,
    HolidayCovariate: HolidayCovariates.of,
    SunCovariate: SunCovariates.of,
    GridCovariate: GridCovariates.of,
    StaticCovariate: StaticCovariates.of,
    FileCovariate: FileCovariates.of,
}


class CovariateSet:
    """All covariates of a run, read together for a batch of initial times.

    Here, and nowhere else, is decided which times of a covariate a forecast may see. Sources with
    statistics come out standardised; a missing value is the mean (0), and where the training period
    lacked some, masks (1 where a value is known) stand behind the channels of their source.
    """

    def __init__(
        self, spec: WindowSpec, sources: Sequence[Covariate], told: Sequence[Told] = ()
    ) -> None:
        self.sources = tuple(sources)
        self._told: tuple[Told | None, ...] = tuple(told) or (None,) * len(self.sources)
        self._spec = spec
        to_now = np.arange(1 - spec.history, 1, dtype=np.int64)
        self._offsets: dict[Kind, NDArray[np.int64]] = {
            "past": to_now,
            "future": np.arange(1 - spec.history, spec.horizon + 1, dtype=np.int64),
            "static": to_now[-1:],
        }

    @classmethod
    def of(
        cls,
        spec: WindowSpec,
        store: TensorStore,
        given: Sequence[Given] = (),
        *,
        trained: bool = False,
    ) -> "CovariateSet":
        """The covariates that ``spec`` asks for, on the time axis of ``store``.

        Args:
            given: files and datasets with new values for those that come from files.
            trained: whether a run that was told them is to forecast, which says what to do where
                a file is not there any more.

        Raises:
            DataError: a file is missing, broken or does not suit the record, or what is given has
                nothing that the run is told.
        """
        setting = Setting(spec, store, tuple(given), trained)
        sources = [SOURCES[type(item)](item, setting) for item in spec.covariates]
        if given:
            _check_used(sources, given)
        return cls(spec, sources, spec.told)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of the channels of one kind, in their order."""
        found: list[str] = []
        for source, told in zip(self.sources, self._told, strict=True):
            if source.kind == kind:
                found += source.names if told is None else told.channels
        return tuple(found)

    def require(self, init_positions: Positions, steps: int, purpose: str) -> None:
        """Make sure that forecasts of so many steps can be told all that they are to be told.

        DataError where a file ends too early; names it, and the range that is needed.
        """
        inits = np.unique(np.asarray(init_positions, np.int64))
        shots = -(-steps // self._spec.horizon)
        furthest = shots * self._spec.horizon
        offsets = {"past": self._offsets["past"], "static": self._offsets["static"]}
        offsets["future"] = np.arange(1 - self._spec.history, furthest + 1, dtype=np.int64)
        for source, told in zip(self.sources, self._told, strict=True):
            if isinstance(source, Limited):
                positions = np.unique(inits[:, None] + offsets[source.kind])
                masked = None if told is None else told.missing
                source.require(positions, purpose, masked or [False] * len(source.names))

    def values(self, kind: Kind, init_positions: Positions, ahead: int = 0) -> Floats | None:
        """Covariates of one kind around initial times (B,); None where there are none.

        Past (B, T, P, H, W), future (B, T + T', K) or (B, T + T', K, H, W), static (B, S, H, W);
        H and W are 1 for past and static ones that are the same in all cells. With ``ahead`` they
        are those of the window that lies so many steps later, told at the same initial times: what
        was observed stays there at the last value that was known.
        """
        chosen = [
            (source, told)
            for source, told in zip(self.sources, self._told, strict=True)
            if source.kind == kind
        ]
        if not chosen:
            return None
        inits = np.asarray(init_positions, np.int64)[:, None]
        positions = inits + ahead + self._offsets[kind]
        if kind == "past":
            positions = np.minimum(positions, inits)
        parts = [_channels(source.values(positions.ravel()), told) for source, told in chosen]
        if kind != "future" or any(part.ndim == 4 for part in parts):
            parts = [part if part.ndim == 4 else part[:, :, None, None] for part in parts]
            grid = np.broadcast_shapes(*(part.shape[2:] for part in parts))
            parts = [np.broadcast_to(part, (*part.shape[:2], *grid)) for part in parts]
        joined = np.concatenate(parts, axis=1)
        if kind == "static":
            return joined
        return joined.reshape(*positions.shape, *joined.shape[1:])


def _channels(values: Floats, told: Told | None) -> Floats:
    """Standardised values without NaN, and behind them the masks."""
    if told is None or told.mean is None or told.std is None:
        return values
    like = (-1, *[1] * (values.ndim - 2))
    mean, std = (np.asarray(part, np.float32).reshape(like) for part in (told.mean, told.std))
    known = np.isfinite(values)
    scaled = np.where(known, (values - mean) / std, np.float32(0)).astype(np.float32)
    masks = known[:, np.flatnonzero(told.missing or [])].astype(np.float32)
    return np.concatenate([scaled, masks], axis=1) if masks.shape[1] else scaled


def _check_used(sources: Sequence[Covariate], given: Sequence[Given]) -> None:
    """DataError unless each of the things given has the columns of some source."""
    used = {where for source in sources for where in getattr(source, "brought", ())}
    for number, item in enumerate(given):
        if number not in used:
            wanted = "; ".join(
                f"{', '.join(map(repr, source.names))} ({source.kind})"
                for source in sources
                if isinstance(source, (FileCovariates, LostCovariates)) and source.kind != "static"
            )
            name = item if isinstance(item, str) else getattr(item, "name", "what is given")
            if not wanted:
                raise DataError(f"{name} is of no use: the run is told nothing from files")
            raise DataError(f"{name} has nothing that the run is told: it is told {wanted}")
