"""Which statistics are kept for what is asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.verification.cells import Anomalies, CellSums, RelativeErrors, Scores, Statistic
from stforecast.verification.details import CLIMATOLOGIES, Details
from stforecast.verification.diagnostics import (
    BIN,
    RANK,
    WAVENUMBER,
    ErrorMaps,
    RankHistogram,
    Reliability,
    Spectrum,
    probability_bins,
)
from stforecast.verification.events import SCALE, THRESHOLD, Events, Fractions, all_thresholds
from stforecast.verification.pieces import Layout, Piece
from stforecast.verification.uncertainty import EnsembleSums, IntervalSums


class Statistics:
    """All sums that metrics and diagnostics take, and the scores made of them."""

    def __init__(
        self,
        layout: Layout,
        metrics: Sequence[str],
        details: Details,
        members: Sequence[int],
        stated: dict[str, float],
        rows_and_columns: tuple[str, str],
    ) -> None:
        """``members`` of each system, 1 for none; ``stated`` the coverage of bounds by system."""
        self.layout = layout
        self.details = details
        self.members = members
        self.cells = CellSums(layout)
        self.parts: list[Statistic] = [self.cells]
        uncertain = max(members) > 1
        if uncertain or "crps" in metrics:
            self.parts.append(EnsembleSums(layout, members))
        if uncertain or stated:
            self.parts.append(IntervalSums(layout, details.interval, stated))
        if "mape" in metrics:
            self.parts.append(RelativeErrors(layout, details.mape_threshold))
        if "acc" in metrics:
            usual = next(name for name in CLIMATOLOGIES if name in layout.systems)
            self.parts.append(Anomalies(layout, list(layout.systems).index(usual)))
        if details.thresholds:
            self.parts.append(Events(layout, details.thresholds))
        if "fss" in metrics:
            self.parts.append(Fractions(layout, details.thresholds, details.fss_scales))
        self.spectrum: Spectrum | None = None
        for name in details.diagnostics:
            if name == "error_maps":
                self.parts.append(ErrorMaps(layout, rows_and_columns))
            elif name == "rank_histogram":
                self.parts.append(RankHistogram(layout, members))
            elif name == "reliability":
                self.parts.append(Reliability(layout, details.thresholds, members))
            elif name == "spectrum":
                self.spectrum = Spectrum(layout)
                self.parts.append(self.spectrum)

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        for part in self.parts:
            part.add(piece)

    def sums(self) -> list[NDArray[Any]]:
        """All sums so far, in a fixed order; each may be added to in place."""
        return [total for part in self.parts for total in part.sums()]

    def scores(self) -> Scores:
        """All scores by name: dimensions and values."""
        result: Scores = {}
        for part in self.parts:
            result |= part.scores()
        if "spread" in result:
            factor = np.sqrt((np.array(self.members) + 1) / np.array(self.members))
            dims, spread = result["spread"]
            factor = factor.reshape(-1, *(1,) * (spread.ndim - 1))
            with np.errstate(invalid="ignore", divide="ignore"):
                result["spread_error"] = (dims, factor * spread / result["rmse"][1])
        if "cases" in self.details.diagnostics:
            squares = self.cells.case_squares[..., 0].sum(axis=-1)
            with np.errstate(invalid="ignore", divide="ignore"):
                rmse = np.sqrt(squares / self.cells.case_weight[..., 0].sum(axis=-1))
            result["case_rmse"] = ((names.SYSTEM, names.VARIABLE, names.INIT_TIME), rmse)
        return result

    def coordinates(self) -> Scores:
        """Labels of the dimensions that events and diagnostics have."""
        found: Scores = {}
        details, layout = self.details, self.layout
        if details.thresholds:
            found[THRESHOLD] = ((THRESHOLD,), all_thresholds(details.thresholds, layout.variables))
        for part in self.parts:
            if isinstance(part, Fractions):
                found[SCALE] = ((SCALE,), np.array(part.scales))
            elif isinstance(part, RankHistogram):
                found[RANK] = ((RANK,), np.arange(max(self.members) + 1))
            elif isinstance(part, Reliability):
                found[BIN] = ((BIN,), probability_bins())
        if self.spectrum is not None:
            number, wavelength = self.spectrum.wavelengths()
            found |= {WAVENUMBER: ((WAVENUMBER,), number)}
            found |= {"wavelength": ((WAVENUMBER,), wavelength)}
        return found
