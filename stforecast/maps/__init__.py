"""Maps of forecasts, beside observations and errors. Graphics are loaded when first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stforecast.maps.figure import map_figure
    from stforecast.maps.plotting import plot, plot_sequences
    from stforecast.maps.score_maps import score_figure
    from stforecast.maps.sequence_panels import sequence_figure

__all__ = ["map_figure", "plot", "plot_sequences", "score_figure", "sequence_figure"]

_WHERE = {
    "map_figure": "stforecast.maps.figure",
    "plot": "stforecast.maps.plotting",
    "plot_sequences": "stforecast.maps.plotting",
    "score_figure": "stforecast.maps.score_maps",
    "sequence_figure": "stforecast.maps.sequence_panels",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
