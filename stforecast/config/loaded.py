"""An experiment as it was loaded, and where its inputs and outputs lie."""

from dataclasses import dataclass
from pathlib import Path

from stforecast.config.experiment import Experiment
from stforecast.config.outputs import MODEL, STORE
from stforecast.config.places import seen_from
from stforecast.config.presets import DEMO
from stforecast.remote import Location, is_address, location


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment, where it came from, and where its files, store and run lie."""

    experiment: Experiment
    source: Path | None
    """The experiment file; None for the built-in demo and for defaults."""
    origin: str
    """Where it came from, in words."""

    @property
    def base(self) -> Path:
        """The folder that relative paths of the experiment start from."""
        return self.source.parent if self.source else Path()

    @property
    def is_demo(self) -> bool:
        return self.source is None and self.experiment.name == DEMO

    @property
    def folder(self) -> Path:
        """The folder of this experiment's outputs."""
        return Path(self.experiment.runs) / self.experiment.name

    @property
    def store(self) -> Location:
        store = self.experiment.data.store
        if store and is_address(store):
            return location(store)
        return self.base / store if store else self.folder / STORE

    @property
    def files(self) -> list[str]:
        """The data files, as seen from the working directory."""
        return [seen_from(self.base, name) for name in self.experiment.data.files]

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    @property
    def overlay(self) -> Path | None:
        overlay = self.experiment.maps.overlay
        return self.base / overlay if overlay else None
