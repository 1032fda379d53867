"""What lies behind the scores: where errors are, how members rank, how fine structures are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from stforecast import names
from stforecast.verification.cells import Scores, Statistic
from stforecast.verification.events import THRESHOLD, Thresholds, all_thresholds
from stforecast.verification.pieces import Fields, Floats, Layout, Piece, add_at

RANK = "rank"
BIN = "probability_bin"
WAVENUMBER = "wavenumber"
_BINS = 10


class ErrorMaps(Statistic):
    """Errors of each cell by lead time."""

    totals = ("squares", "signed", "count")

    def __init__(self, layout: Layout, dims: Sequence[str]) -> None:
        """``dims``: names of rows and columns."""
        self.layout = layout
        self.dims = tuple(dims)
        cells = int(np.prod(layout.grid))
        shape = (len(layout.variables), layout.leads, cells)
        self.squares = np.zeros((len(layout.systems), *shape))
        self.signed = np.zeros_like(self.squares)
        self.count = np.zeros(shape)

    def add(self, piece: Piece) -> None:
        number = piece.variable
        # one lead time after the other: sums along fields are far faster than adding at places
        for lead in np.unique(piece.leads):
            chosen = piece.leads == lead
            self.count[number, lead] += piece.common[chosen].sum(axis=0)
            for system in range(len(piece.values)):
                error = np.where(piece.common[chosen], piece.error(system)[chosen], 0.0)
                self.signed[system, number, lead] += error.sum(axis=0)
                self.squares[system, number, lead] += np.square(error).sum(axis=0)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, names.LEAD_TIME, *self.dims)
        shape = (*self.squares.shape[:3], *self.layout.grid)
        with np.errstate(invalid="ignore", divide="ignore"):
            rmse = np.sqrt(self.squares / self.count)
            bias = self.signed / self.count
        return {
            "rmse_map": (dims, rmse.reshape(shape).astype(np.float32)),
            "bias_map": (dims, bias.reshape(shape).astype(np.float32)),
        }


class RankHistogram(Statistic):
    """How many members lie below what was observed.

    Where some equal it, each rank that the observation may have gets its share.
    """

    totals = ("counts",)

    def __init__(self, layout: Layout, members: Sequence[int]) -> None:
        """``members`` of each system, 1 for one that has none."""
        self.members = list(members)
        shape = (len(layout.systems), len(layout.variables), layout.leads, max(members) + 1)
        self.counts = np.zeros(shape)
        for system, number in enumerate(members):
            self.counts[system, ..., number + 1 if number > 1 else 0 :] = np.nan

    def add(self, piece: Piece) -> None:
        for system, values in enumerate(piece.values):
            if values.members is None or values.n_members == 1:
                continue
            truth = piece.truth[:, None]
            below = (values.members < truth).sum(axis=1)
            equal = (values.members == truth).sum(axis=1)
            share = piece.common / (equal + 1)
            for rank in range(values.n_members + 1):
                here = (below <= rank) & (rank <= below + equal)
                of_fields = np.where(here, share, 0.0).sum(axis=1)
                place = (system, piece.variable, piece.leads, rank)
                add_at(self.counts, place, of_fields)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, names.LEAD_TIME, RANK)
        return {"rank_histogram": (dims, self.counts)}


class Reliability(Statistic):
    """How often an event comes that so many of the members foretell, over all lead times."""

    totals = ("count", "forecast", "observed")

    def __init__(self, layout: Layout, thresholds: Thresholds, members: Sequence[int]) -> None:
        self.layout = layout
        self.members = list(members)
        self.thresholds = all_thresholds(thresholds, layout.variables)
        self.wanted = [set(map(float, thresholds.get(name, ()))) for name in layout.variables]
        shape = (len(layout.systems), len(layout.variables), len(self.thresholds), _BINS)
        self.count, self.forecast, self.observed = (np.zeros(shape) for _ in range(3))

    def add(self, piece: Piece) -> None:
        common = piece.common
        for at, threshold in enumerate(self.thresholds):
            if threshold not in self.wanted[piece.variable]:
                continue
            level = np.float32(threshold)  # a value that is written alike is not below it
            event = (piece.truth >= level)[common]
            for system, values in enumerate(piece.values):
                if values.members is None or values.n_members == 1:
                    continue
                probability = (values.members >= level).mean(axis=1)[common]
                bins = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
                place = (system, piece.variable, at)
                for totals, weights in (
                    (self.count, None),
                    (self.forecast, probability),
                    (self.observed, event.astype(np.float64)),
                ):
                    totals[place] += np.bincount(bins, weights, minlength=_BINS)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, THRESHOLD, BIN)
        with np.errstate(invalid="ignore", divide="ignore"):
            forecast, observed = self.forecast / self.count, self.observed / self.count
        count = np.where(np.array(self.members)[:, None, None, None] > 1, self.count, np.nan)
        return {
            "reliability_forecast": (dims, forecast),
            "reliability_observed": (dims, observed),
            "reliability_count": (dims, count),
        }


def probability_bins() -> Floats:
    """The middles of the bins."""
    return (np.arange(_BINS) + 0.5) / _BINS


class Spectrum(Statistic):
    """Variance in space by wavenumber, by discrete cosine transform (Denis, Côté and Laprise 2002,
    doi:10.1175/1520-0493(2002)130<1812:SDOTDA>2.0.CO;2), which takes no field to go round.

    Of fields that lack no cell. Of an ensemble it is the mean of the spectra of its members.
    """

    totals = ("forecast", "observed", "count")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.bins = wavenumbers(layout.grid)
        self.number = int(self.bins.max()) + 1
        shape = (len(layout.variables), layout.leads, self.number)
        self.forecast = np.zeros((len(layout.systems), *shape))
        self.observed = np.zeros(shape)
        self.count = np.zeros(shape[:2], np.int64)

    def add(self, piece: Piece) -> None:
        whole = piece.whole
        if not whole.any():
            return
        leads = piece.leads[whole]
        add_at(self.count, (piece.variable, leads), 1)
        add_at(self.observed, (piece.variable, leads), self._energy(piece.truth[whole]))
        for system, values in enumerate(piece.values):
            members = values.mean[:, None] if values.members is None else values.members
            for number in range(members.shape[1]):
                energy = self._energy(members[whole, number]) / members.shape[1]
                add_at(self.forecast[system], (piece.variable, leads), energy)

    def _energy(self, fields: Fields) -> Floats:
        """Energy (n, wavenumbers) of fields (n, cells)."""
        shaped = fields.reshape(-1, *self.layout.grid).astype(np.float64)
        energy = np.square(dctn(shaped, axes=(1, 2), norm="ortho")) / self.bins.size
        bins = np.arange(len(energy))[:, None] * self.number + self.bins.ravel()
        size = len(energy) * self.number
        summed: NDArray[Any] = np.bincount(bins.ravel(), energy.ravel(), minlength=size)
        return summed.reshape(len(energy), self.number)

    def scores(self) -> Scores:
        dims = (names.VARIABLE, names.LEAD_TIME, WAVENUMBER)
        with np.errstate(invalid="ignore", divide="ignore"):
            forecast = self.forecast / self.count[..., None]
            observed = self.observed / self.count[..., None]
        return {
            # the mean of the field is no structure of it
            "spectrum": ((names.SYSTEM, *dims), forecast[..., 1:]),
            "spectrum_observed": (dims, observed[..., 1:]),
            "spectrum_fields": (dims[:2], self.count),
        }

    def wavelengths(self) -> tuple[NDArray[np.int64], Floats]:
        """The wavenumbers, half waves along the shorter side, and their lengths in cells."""
        number = np.arange(1, self.number)
        return number, 2 * min(self.layout.grid) / number


def wavenumbers(grid: tuple[int, int]) -> NDArray[np.int64]:
    """Which wavenumber each coefficient of the transform belongs to, by its length of wave."""
    height, width = grid
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    # a little is added, so that rounding does not move whole numbers down
    found = np.floor(min(grid) * np.hypot(rows, columns) + 1e-9).astype(np.int64)
    # half waves along a longer side are the first wavenumber; none has the mean of the field alone
    found = np.maximum(found, 1)
    found[0, 0] = 0
    return found
