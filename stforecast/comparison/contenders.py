"""What is compared: systems with their settings, each trained once per seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stforecast.errors import ConfigError
from stforecast.options import BUDGETS, ModelOptions, TrainingOptions


@dataclass(frozen=True)
class Contender:
    """One system of a comparison.

    label: its name in tables, figures and folders.
    model, training: how it is made and trained; the seed is that of each run.
    words: what it is, where the label does not say.
    experiment: the resolved experiment, for the cards of its runs.
    """

    label: str
    model: ModelOptions
    training: TrainingOptions
    words: str = ""
    experiment: Mapping[str, Any] | None = None

    def trained_with(self, seed: int) -> TrainingOptions:
        """The options of one of its trainings."""
        return self.training.model_copy(update={"seed": seed})

    def described(self, seed: int) -> dict[str, Any] | None:
        """The experiment for the card of one of its runs."""
        if self.experiment is None:
            return None
        training = self.trained_with(seed).model_dump(mode="json")
        return {**self.experiment, "training": training}


def run_name(label: str, seed: int) -> str:
    """The folder of a run within a comparison, such as ``simvp-tau-seed0``."""
    kept = "".join(char if char.isalnum() or char in "_.+-" else "-" for char in label)
    return f"{kept.lstrip('._+-') or 'model'}-seed{seed}"


def check_contenders(contenders: Sequence[Contender], seeds: Sequence[int]) -> None:
    """ConfigError unless they can be told apart and have one and the same budget."""
    if not contenders or not seeds:
        raise ConfigError(f"there is no {'seed' if contenders else 'model'} to compare")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"the seeds {', '.join(map(str, seeds))} have one of them twice")
    folders: dict[str, str] = {}
    for contender in contenders:
        other = folders.setdefault(run_name(contender.label, 0), contender.label)
        if other != contender.label:
            raise ConfigError(
                f"{other} and {contender.label} would have the same folder; rename one of them"
            )
    if len({contender.label for contender in contenders}) < len(contenders):
        raise ConfigError("a model is named twice; name each of them once")
    first = contenders[0]
    for contender in contenders[1:]:
        one, other = (_budget(item.training) for item in (first, contender))
        if one != other:
            raise ConfigError(
                f"{first.label} would train for {one} and {contender.label} for {other}; give all "
                "models one budget, such as training.max_time=10min"
            )


def _budget(training: TrainingOptions) -> str:
    given = {name: getattr(training, name) for name in BUDGETS}
    return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None) or (
        "the epochs that are the default"
    )
