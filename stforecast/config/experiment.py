"""What an experiment file says, section by section."""

from typing import Annotated

from pydantic import Field, StringConstraints

from stforecast.options import (
    DataOptions,
    MapOptions,
    ModelOptions,
    TrainingOptions,
    VerificationOptions,
    WindowOptions,
)
from stforecast.options.base import Options

# A name is a folder under runs/, so it stays clear of separators and of hidden files.
Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*$", max_length=100)]


class Experiment(Options):
    """One experiment: data, samples, model, training, verification and maps."""

    name: Name = Field("experiment", description="folder of the outputs under `runs`")
    runs: str = Field("runs", description="folder that holds the outputs of every experiment")
    data: DataOptions = Field(default_factory=DataOptions)
    windows: WindowOptions = Field(default_factory=WindowOptions)
    model: ModelOptions = Field(default_factory=ModelOptions)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    verification: VerificationOptions = Field(default_factory=VerificationOptions)
    maps: MapOptions = Field(default_factory=MapOptions)
