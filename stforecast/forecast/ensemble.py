"""Several forecasts of the same: of runs trained apart, of one run told noise, or of both."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from stforecast.card import RunCard
from stforecast.errors import ConfigError, RunError
from stforecast.forecast.trained import TrainedModel, load_trained
from stforecast.grid import Grid
from stforecast.options import CovariateOptions, Device
from stforecast.windows.covariates import Given
from stforecast.windows.spec import WindowSpec

# Members of each run that is told noise, where nobody says how many.
DEFAULT_MEMBERS: Final = 10


class Ensemble:
    """One run or several that forecast together.

    Args:
        models: they forecast the same variables on the same grid, as many steps.
        folders: where they were loaded from, if they were.
        device: that was asked for when they were.

    Raises:
        RunError: they do not go together; says why.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        folders: Sequence[Path] = (),
        device: Device = "auto",
    ) -> None:
        if not models:
            raise ConfigError("an ensemble needs a run; name one")
        self.models = tuple(models)
        self.folders = tuple(folders)
        self.device: Device = device
        for other in self.models[1:]:
            _check_alike(self.models[0], other)

    @classmethod
    def of(cls, model: "TrainedModel | Ensemble") -> "Ensemble":
        """A run as an ensemble of one; an ensemble as it is."""
        return model if isinstance(model, Ensemble) else cls([model])

    def told(
        self, given: Sequence[Given] = (), covariates: Sequence[CovariateOptions] = ()
    ) -> "Ensemble":
        """The same, told more: :meth:`TrainedModel.told` of each run that takes it."""
        told = [model.told(given, covariates) for model in self.models]
        return Ensemble(told, self.folders, self.device)

    @property
    def card(self) -> RunCard:
        """The card of the first run: variables, grid and step are those of all."""
        return self.models[0].card

    @property
    def name(self) -> str:
        """The names of the runs."""
        return "+".join(model.card.name for model in self.models)

    @property
    def spec(self) -> WindowSpec:
        """The windows of the run that needs most history."""
        specs = [model.spec for model in self.models]
        return max(specs, key=lambda spec: (spec.history_needed, spec.history))

    def check_part(self, part: str) -> None:
        """ConfigError where the runs do not agree on a part of their split (train, …)."""
        for model in self.models[1:]:
            periods = [card.splits.get(part) for card in (self.card, model.card)]
            if periods[0] != periods[1]:
                told = [" to ".join(dates) if dates else "none" for dates in periods]
                raise ConfigError(
                    f"the {part} periods of the runs {self.card.name!r} and {model.card.name!r} "
                    f"differ ({told[0]}, and {told[1]}); name a period by its dates"
                )

    def share(self, members: int | None) -> list[int | None]:
        """How many members each run gives; None for a run that gives its only forecast.

        Raises:
            ConfigError: so many members cannot be had.
        """
        able = [number for number, model in enumerate(self.models) if model.noise is not None]
        alone = len(self.models) - len(able)
        if members is None:
            return [None if model.noise is None else DEFAULT_MEMBERS for model in self.models]
        if not able and members != alone:
            have = "one forecast" if alone == 1 else f"{alone} forecasts"
            runs = f"the run {self.name!r} gives" if alone == 1 else f"{alone} runs give"
            raise ConfigError(
                f"{runs} {have}, not {members} members; train with training.loss: crps, or name as "
                "many runs"
            )
        if members < len(self.models):
            raise ConfigError(
                f"{len(self.models)} runs give at least as many members, not {members}; name fewer "
                "runs"
            )
        shares: list[int | None] = [None] * len(self.models)
        for place, number in enumerate(able):
            shares[number] = (members - alone + len(able) - 1 - place) // len(able)
        return shares

    def total(self, members: int | None) -> int | None:
        """Members of a forecast; None where there is but one, which needs no dimension for it."""
        if len(self.models) == 1 and self.models[0].noise is None:
            self.share(members)
            return None
        return sum(share or 1 for share in self.share(members))

    @property
    def identity(self) -> str:
        """A short text that other runs, or the same ones trained on, would not have."""
        told = sorted(json.dumps(_identity(model.card), sort_keys=True) for model in self.models)
        return sha256("\n".join(told).encode()).hexdigest()[:16]


def load_ensemble(folders: Sequence[str | Path], device: Device = "auto") -> Ensemble:
    """The runs in some folders, to forecast together.

    Raises:
        RunError: one is no run or damaged, they do not go together, or the device is not there.
        ConfigError: a run is named twice.
    """
    paths = [Path(folder) for folder in folders]
    resolved = [path.resolve() for path in paths]
    for number, path in enumerate(resolved):
        if path in resolved[:number]:
            raise ConfigError(f"the run in {paths[number]} is named twice; name it once")
    return Ensemble([load_trained(path, device) for path in paths], paths, device)


def _identity(card: RunCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "created": card.created,
        "seed": card.seed,
        "step": card.training.best_step,
        "model": card.model.model_dump(mode="json"),
        "windows": card.windows,
    }


def _check_alike(one: TrainedModel, other: TrainedModel) -> None:
    """RunError where two runs do not forecast the same."""
    difference = _difference(one, other)
    if difference is not None:
        raise RunError(
            f"the runs {one.card.name!r} and {other.card.name!r} make no ensemble: {difference}"
        )


def _difference(one: TrainedModel, other: TrainedModel) -> str | None:
    cards = one.card, other.card
    channels = [[(item.name, item.units or "") for item in card.channels] for card in cards]
    if channels[0] != channels[1]:
        told = [", ".join(f"{name} ({units})" for name, units in group) for group in channels]
        return f"one forecasts {told[0]}, the other {told[1]}"
    steps = [(card.step.seconds, card.step.months) for card in cards]
    if steps[0] != steps[1] or cards[0].calendar != cards[1].calendar:
        return (
            f"their time steps are {cards[0].step.one} in the calendar {cards[0].calendar} and "
            f"{cards[1].step.one} in the calendar {cards[1].calendar}"
        )
    words: str | None
    if cards[0].grid["shape"] != cards[1].grid["shape"]:
        words = " and ".join("{}×{}".format(*card.grid["shape"]) for card in cards)
    else:
        words = Grid.difference(cards[0].grid, cards[1].grid)
    if words is not None:
        return f"their grids differ ({words})"
    horizons = [one.spec.horizon, other.spec.horizon]
    if horizons[0] != horizons[1]:
        return f"they were trained to forecast {horizons[0]} and {horizons[1]} steps"
    return None
