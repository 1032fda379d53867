"""What a contender costs before it is trained."""

from dataclasses import dataclass

from stforecast.comparison.contenders import Contender
from stforecast.models import SampleShape, create_model
from stforecast.models.cost import count_multiply_adds, count_parameters


@dataclass(frozen=True)
class Costs:
    """Numbers that training changes, and multiply-adds of one forecast of one sample."""

    parameters: int
    multiply_adds: int


def costs_of(contender: Contender, shape: SampleShape) -> Costs:
    """Parameters and multiply-adds; ConfigError where the model cannot be made."""
    model = create_model(contender.model.name, shape, **contender.model.settings)
    return Costs(count_parameters(model), count_multiply_adds(model))
