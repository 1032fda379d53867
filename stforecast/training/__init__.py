"""Training: losses, schedules, budgets, validation, and runs that can be resumed at any batch.

Who wants only its losses or its hardware does not load all that a training needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stforecast.training.engine import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stforecast.training.engine import train

    return train
