"""Forecasts of gridded flows, traffic and weather, from raw files to georeferenced maps."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stforecast._accessor import register_with_xarray
from stforecast._proj import load_proj_before_eccodes
from stforecast._version import __version__

if TYPE_CHECKING:
    from stforecast.api.compare import compare
    from stforecast.api.data import ingest, open_data, open_store
    from stforecast.api.run import Run, load
    from stforecast.api.scores import plot, references, report, verify
    from stforecast.api.training import train
    from stforecast.product import open_product as open_forecast
    from stforecast.product import write_product as write_forecast
    from stforecast.store.check import check

__all__ = [
    "Run",
    "__version__",
    "check",
    "compare",
    "ingest",
    "load",
    "open_data",
    "open_forecast",
    "open_store",
    "plot",
    "references",
    "report",
    "train",
    "verify",
    "write_forecast",
]

# Loaded when first used, so that the command line starts at once and torch stays away.
_HOMES = {
    "Run": "stforecast.api.run:Run",
    "check": "stforecast.store.check:check",
    "compare": "stforecast.api.compare:compare",
    "ingest": "stforecast.api.data:ingest",
    "load": "stforecast.api.run:load",
    "open_data": "stforecast.api.data:open_data",
    "open_forecast": "stforecast.product:open_product",
    "open_store": "stforecast.api.data:open_store",
    "plot": "stforecast.api.scores:plot",
    "references": "stforecast.api.scores:references",
    "report": "stforecast.api.scores:report",
    "train": "stforecast.api.training:train",
    "verify": "stforecast.api.scores:verify",
    "write_forecast": "stforecast.product:write_product",
}

load_proj_before_eccodes()
register_with_xarray()


def _load(name: str) -> Any:
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stforecast' has no attribute {name!r}")
    return _load(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _CallablePackage(ModuleType):
    """A package that is also the function of its name, as ``stforecast.ingest`` is."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _load(self.__name__.rpartition(".")[2])(*args, **kwargs)


class _Facade(ModuleType):
    """This package: importing ``stforecast.ingest`` must not take the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Facade
