"""What an experiment file says, section by section."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from stforecast.options import (
    ClusterOptions,
    ComparedOptions,
    DataOptions,
    MapOptions,
    ModelOptions,
    TrainingOptions,
    VerificationOptions,
    WindowOptions,
)
from stforecast.options.base import Options
from stforecast.options.protocols import ProtocolName

# A name is a folder under runs/, so it stays clear of separators and of hidden files.
Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*$", max_length=100)]


def _nothing_is_empty(value: Any) -> Any:
    """A label alone is a model with nothing to say of it."""
    if isinstance(value, dict):
        return {name: {} if options is None else options for name, options in value.items()}
    return value


class Experiment(Options):
    """One experiment: data, samples, model, training, verification, maps, and its workers."""

    name: Name = Field("experiment", description="folder of the outputs under `runs`")
    runs: str = Field("runs", description="folder that holds the outputs of every experiment")
    protocol: ProtocolName | None = Field(
        None,
        description="terms of a published comparison: fixes split, scaling, days that are left out "
        "and scores (docs/protocols.md); without a benchmark after the colon it is that of TaxiBJ, "
        "or for videos of Moving MNIST",
    )
    data: DataOptions = Field(default_factory=DataOptions)
    windows: WindowOptions = Field(default_factory=WindowOptions)
    model: ModelOptions = Field(default_factory=ModelOptions)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    verification: VerificationOptions = Field(default_factory=VerificationOptions)
    maps: MapOptions = Field(default_factory=MapOptions)
    # of the machine, not of the study: no run tells of it
    cluster: ClusterOptions = Field(default_factory=ClusterOptions, exclude=True)
    compare: Annotated[dict[str, ComparedOptions], BeforeValidator(_nothing_is_empty)] = Field(
        default_factory=dict, description="models of `stforecast compare`, by their labels"
    )
