"""Sequences that are drawn as they are needed and never twice. See :class:`SequenceGenerator`."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from stforecast.errors import StoreError
from stforecast.generators.base import Generation, SequenceGenerator
from stforecast.generators.moving_digits import MovingDigits

__all__ = ["GENERATORS", "Generation", "MovingDigits", "SequenceGenerator", "restore"]

GENERATORS = {MovingDigits.name: MovingDigits}


def restore(
    name: str, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], where: str
) -> SequenceGenerator:
    """The generator that a store describes; StoreError, naming the store, if it cannot be made."""
    if name not in GENERATORS:
        raise StoreError(
            f"the training sequences of {where} are drawn by {name!r}, which this stforecast does "
            "not know; update it"
        )
    try:
        return GENERATORS[name].restore(settings, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{where} does not tell how its training sequences are drawn ({error}); make it anew "
            "with stforecast ingest --overwrite"
        ) from error
