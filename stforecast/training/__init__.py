"""Training: losses, schedules, budgets, validation, and runs that can be resumed at any batch."""

from stforecast.training.engine import train

__all__ = ["train"]
