"""The cells of one map, and the frame around it."""

from typing import Any, Final

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.path import Path as Outline

from stforecast.maps.colours import Scale
from stforecast.maps.panels import Fields
from stforecast.maps.placement import Placement

MISSING: Final = "0.82"


def draw_cells(ax: Any, place: Placement, field: Fields, scale: Scale) -> bool:
    """Cells (y, x) with values in colours, missing ones grey; tells whether there are any."""
    gap = place.columns < 0
    shown = field[:, place.columns]
    shown[:, gap] = np.nan
    visible = np.isfinite(place.x) & np.isfinite(place.y)
    whole = visible[1:, 1:] & visible[:-1, 1:] & visible[1:, :-1] & visible[:-1, :-1]
    missing = ~np.isfinite(shown) & ~gap
    x, y = np.where(visible, place.x, 0.0), np.where(visible, place.y, 0.0)
    grey = ListedColormap([MISSING]).with_extremes(bad=(0, 0, 0, 0))
    kwargs: dict[str, Any] = {"shading": "flat", "rasterized": True, "zorder": 1}
    if place.projection is not None:
        kwargs["transform"] = place.source or place.projection
    values = np.ma.masked_where(missing | ~whole | gap, shown)
    ax.pcolormesh(x, y, values, cmap=scale.cmap, norm=scale.norm, **kwargs)
    if (missing & whole).any():
        there = np.ma.masked_where(~(missing & whole), np.zeros(shown.shape))
        ax.pcolormesh(x, y, there, cmap=grey, vmin=0, vmax=1, **{**kwargs, "zorder": 0.9})
        return True
    return False


def draw_frame(ax: Any, place: Placement) -> None:
    """The extent of the map, its proportions, and the line around it."""
    if place.extent is None:
        ax.set_global()
    else:
        ax.set_xlim(place.extent[0], place.extent[1])
        ax.set_ylim(place.extent[2], place.extent[3])
    ax.set_aspect(place.aspect)
    if place.outline is not None:
        ax.set_boundary(Outline(place.outline))
    for spine in ax.spines.values():
        spine.set_linewidth(0.6)
        spine.set_edgecolor("0.2")
