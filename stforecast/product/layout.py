"""One initial time as plain fields along time, for programs that know no forecasts."""

import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.product.coordinates import INIT_ATTRS

REFERENCE_TIME = "forecast_reference_time"


def along_time(product: xr.Dataset) -> xr.Dataset:
    """A forecast of one initial time on (time, y, x), as CDO, ncview and GIS read it.

    ``time`` is the valid time; ``forecast_reference_time`` is a scalar, and ``lead_time`` lies
    along ``time``. :func:`from_time` is the inverse. DataError for more initial times than one.
    """
    count = product.sizes[names.INIT_TIME]
    if count != 1:
        raise DataError(
            f"the layout 'time' holds one initial time and the forecast has {count}; choose one of "
            "them, or write the layout 'forecast'"
        )
    plain = product.isel({names.INIT_TIME: 0})
    plain = plain.swap_dims({names.LEAD_TIME: names.VALID_TIME})
    plain = plain.rename({names.VALID_TIME: names.TIME, names.INIT_TIME: REFERENCE_TIME})
    plain[names.TIME].attrs["axis"] = "T"
    return plain


def is_along_time(dataset: xr.Dataset) -> bool:
    """Whether :func:`along_time` made it."""
    return (
        REFERENCE_TIME in dataset.coords
        and dataset[REFERENCE_TIME].ndim == 0
        and names.TIME in dataset.indexes
        and names.LEAD_TIME in dataset.coords
        and dataset[names.LEAD_TIME].dims == (names.TIME,)
    )


def from_time(plain: xr.Dataset) -> xr.Dataset:
    """The forecast that :func:`along_time` was given."""
    product = plain.rename({names.TIME: names.VALID_TIME, REFERENCE_TIME: names.INIT_TIME})
    product = product.swap_dims({names.VALID_TIME: names.LEAD_TIME})
    both = [name for name in (names.VALID_TIME, names.FORECAST_PERIOD) if name in product.coords]
    product = product.reset_coords(both)
    fields = [name for name, field in product.data_vars.items() if names.LEAD_TIME in field.dims]
    spread = {name: product[name].expand_dims(names.INIT_TIME) for name in fields}
    product = product.assign(spread).set_coords(both)
    product[names.INIT_TIME].attrs = dict(INIT_ATTRS)
    product[names.VALID_TIME].attrs.pop("axis", None)
    return product.transpose(names.INIT_TIME, names.LEAD_TIME, ...)
