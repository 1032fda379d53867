"""Forecasts side by side: the same variables, initial times, lead times and cells."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError, StForecastWarning
from stforecast.product.conform import conform, forecast_variables
from stforecast.product.observed import Observed, check_units, compare_grids
from stforecast.product.place import grid_of
from stforecast.product.sequences import same_sequences
from stforecast.product.uncertainty import interval_of
from stforecast.timeaxis import normalise_stamps
from stforecast.verification.pieces import Fields, Values


@dataclass(frozen=True)
class Block:
    """Fields that are compared at once: some initial times, and some of a further dimension."""

    inits: slice
    within: Mapping[str, slice] = field(default_factory=dict)


@dataclass
class System:
    """One forecast, with where the common times stand in it."""

    name: str
    product: xr.Dataset
    inits: NDArray[np.int64]
    leads: NDArray[np.int64]
    dims: tuple[str, ...]

    @property
    def members(self) -> int:
        """How many members the forecast has; 1 for one without."""
        return int(self.product.sizes.get(names.MEMBER, 1))

    def stated_coverage(self, variables: Sequence[str]) -> float | None:
        """The share that the bounds of the forecast are to hold; None where it has no bounds."""
        for variable in variables:
            bounds = interval_of(self.product, variable)
            if bounds is not None:
                return float(bounds[0].attrs[names.COVERAGE])
        return None

    def values(self, variables: Sequence[str], block: Block) -> list[Values]:
        """What is forecast of some variables, in a block of the common initial times.

        Together, because a lazy forecast may make all of its variables at once.
        """
        found = {name: interval_of(self.product, name) for name in variables}
        bounds = {
            name: [str(bound.name) for bound in pair]
            for name, pair in found.items()
            if pair is not None
        }
        beside = [bound for pair in bounds.values() for bound in pair]
        chosen = self.product[[*variables, *beside]].isel(
            {
                names.INIT_TIME: _slice_of(self.inits[block.inits]),
                names.LEAD_TIME: _slice_of(self.leads),
                **block.within,
            }
        )
        chosen = chosen.compute()

        def fields(name: str) -> Fields:
            # members stand before rows and columns, so that the sequences beside stay together
            of_members = (names.MEMBER,) if names.MEMBER in chosen[name].dims else ()
            dims = (*self.dims[:-2], *of_members, *self.dims[-2:])
            return np.asarray(chosen[name].transpose(*dims).values, np.float32)

        result = []
        for name in variables:
            values = fields(name)
            members = values if names.MEMBER in chosen[name].dims else None
            mean = values if members is None else values.mean(-3, dtype=np.float64)
            pair = bounds.get(name)
            result.append(
                Values(
                    mean.astype(np.float32, copy=False),
                    members,
                    None if pair is None else (fields(pair[0]), fields(pair[1])),
                )
            )
        return result


@dataclass
class Comparison:
    """Systems and observations that have been found to agree, on their common times.

    ``frame`` is the first forecast on those times: its coordinates are everybody's.
    """

    systems: list[System]
    observed: Observed
    frame: xr.Dataset
    variables: list[str]

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of what :meth:`System.values` and the observations give."""
        return self.systems[0].dims

    def blocks(self, size: int) -> Iterator[Block]:
        """All fields in blocks of at most ``size`` bytes a system, where they can be so small.

        Blocks are of initial times; where one initial time is too much, as of many videos, they are
        of the first further dimension, such as the sequences.
        """
        sizes = [self.frame.sizes[dim] for dim in self.dims]
        size //= max(system.members for system in self.systems)
        of_one = 4 * len(self.variables) * int(np.prod(sizes[1:]))
        if of_one <= size or not self.observed.further:
            step = max(1, size // of_one)
            for start in range(0, sizes[0], step):
                yield Block(slice(start, start + step))
            return
        step = max(1, size // (of_one // sizes[2]))
        for init in range(sizes[0]):
            for start in range(0, sizes[2], step):
                within = {self.observed.further[0]: slice(start, start + step)}
                yield Block(slice(init, init + 1), within)

    def truth(self, block: Block) -> list[Fields]:
        """What was observed of the fields of :meth:`System.values`; NaN where nothing was."""
        return [self.observed.values(name, block.inits, block.within) for name in self.variables]


def compare(forecasts: Mapping[str, xr.Dataset], observations: xr.Dataset) -> Comparison:
    """Bring forecasts and observations together; the first forecast says which variables and times.

    It also says which sequences, of a record that has them.
    Warns of variables, initial and lead times that not all of them have. DataError when nothing is
    left, or when grids, units or calendars differ.
    """
    products = {name: conform(product) for name, product in forecasts.items()}
    # one member stands for all where grids and times are compared
    ensembles = products
    products = {name: _one_member(product) for name, product in products.items()}
    main_name, main = next(iter(products.items()))
    observed = Observed(main, observations)
    predicted = forecast_variables(main)
    variables = [
        name
        for name in observed.variables
        if all(name in forecast_variables(product) for product in products.values())
    ]
    if not variables:
        raise DataError(
            f"the forecasts share no variable with each other and the observations: {main_name} "
            f"has {', '.join(predicted)}"
        )
    if len(variables) < len(predicted):
        left = [name for name in predicted if name not in variables]
        _warn(f"{', '.join(left)} cannot be scored: not in all forecasts and the observations")
    for dim in observed.further:
        products = {name: same_sequences(item, main, dim) for name, item in products.items()}
        ensembles = {name: same_sequences(item, main, dim) for name, item in ensembles.items()}
    for name, product in products.items():
        if name != main_name:
            _check_against(main_name, main, name, product, variables[0], observed)
            for variable in variables:
                check_units(variable, main[variable], product[variable], main_name, name)
    inits = _common(products, names.INIT_TIME)
    leads = _common(products, names.LEAD_TIME)
    dims = (
        names.INIT_TIME,
        names.LEAD_TIME,
        *observed.further,
        observed.grid.y_name,
        observed.grid.x_name,
    )
    systems = []
    for name, product in products.items():
        grid = grid_of(product, variables[0], (*dims[:2], *observed.further))
        own_dims = (*dims[:-2], grid.y_name, grid.x_name)
        systems.append(System(name, ensembles[name], inits[name], leads[name], own_dims))
    frame = main.isel({names.INIT_TIME: inits[main_name], names.LEAD_TIME: leads[main_name]})
    return Comparison(systems, Observed(frame, observations), frame, variables)


def _one_member(product: xr.Dataset) -> xr.Dataset:
    if names.MEMBER not in product.dims:
        return product
    return product.isel({names.MEMBER: 0}, drop=True)


def _check_against(
    main_name: str,
    main: xr.Dataset,
    name: str,
    product: xr.Dataset,
    variable: str,
    observed: Observed,
) -> None:
    dims = (names.INIT_TIME, names.LEAD_TIME, *observed.further)
    compare_grids(observed.grid, grid_of(product, variable, dims), main_name, name)
    for dim in observed.further:
        if product.sizes[dim] != main.sizes[dim]:
            raise DataError(f"{main_name} and {name} differ in the length of {dim}")
    kinds = [p[names.LEAD_TIME].dtype.kind == "m" for p in (main, product)]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"the lead times of {main_name} and {name} are not of one kind: one has durations, the "
            "other counts steps"
        )


def _common(products: Mapping[str, xr.Dataset], dim: str) -> dict[str, NDArray[np.int64]]:
    """Positions, in each product, of the initial or lead times that all of them have."""
    what = "initial times" if dim == names.INIT_TIME else "lead times"
    indexes = {name: _index(product, dim) for name, product in products.items()}
    first_name, first = next(iter(indexes.items()))
    for name, index in indexes.items():
        if not index.is_unique:
            raise DataError(f"{name} has some of its {what} twice")
    common = first
    for index in indexes.values():
        common = common[common.isin(index)]
    if len(common) == 0:
        raise DataError(f"the forecasts {', '.join(products)} have no {what} in common")
    if len(common) < len(first):
        _warn(
            f"{len(first) - len(common)} of the {len(first)} {what} of {first_name} are not in "
            "every other forecast and are left out"
        )
    return {name: np.asarray(index.get_indexer(common)) for name, index in indexes.items()}


def _index(product: xr.Dataset, dim: str) -> pd.Index:
    values = product[dim].values
    if dim == names.INIT_TIME:
        values = normalise_stamps(values)
        if values.dtype.kind == "M":
            values = values.astype("datetime64[us]")
    elif values.dtype.kind == "m":
        values = values.astype("timedelta64[us]")
    return pd.Index(values)


def _slice_of(positions: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Positions as a slice where they follow one another, which is read much faster."""
    if positions.size and (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def _warn(text: str) -> None:
    warnings.warn(text, StForecastWarning, stacklevel=3)
