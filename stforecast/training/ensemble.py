"""Training one model to give an ensemble: it is told noise, and scored with the CRPS.

Each sample is forecast several times, with noise of its own, and the fair CRPS compares these
forecasts with the one truth. A model that makes nothing of the noise gets its mean absolute error;
one whose members differ as the truth may gets less. So does AIFS-CRPS (Lang et al. 2024,
arXiv:2412.15832), and so does FGN (Alet et al. 2025, arXiv:2506.10772).
"""

from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from stforecast.card import NoiseCard
from stforecast.models import SampleShape
from stforecast.options import TrainingOptions
from stforecast.training.losses import crps_sum
from stforecast.windows import Batch
from stforecast.windows.noise import Noise

CRPS: Final = "crps"
_MEMBERS: Final = 2
_NOISE: Final = 8
# Members that weights are chosen by, so that their mean is not that of two.
_SCORED: Final = 4


@dataclass(frozen=True)
class Draws:
    """Several forecasts of each sample, told other noise.

    members: M in training. scored: M in validation.
    """

    noise: Noise
    members: int
    scored: int

    @classmethod
    def of(cls, options: TrainingOptions) -> "Draws | None":
        """What the options ask for; None for a loss of single forecasts."""
        if options.loss != CRPS:
            return None
        members = options.members or _MEMBERS
        channels = options.noise or _NOISE
        uniform = (channels + 1) // 2
        return cls(Noise(uniform, channels - uniform), members, max(members, _SCORED))

    @property
    def card(self) -> NoiseCard:
        """The noise as it is kept on the card."""
        return NoiseCard(uniform=self.noise.uniform, local=self.noise.local)

    def drawn(self, batch: Batch) -> Batch:
        """Each sample M times (B·M, …), with new noise from the global generator."""
        many = batch.repeated(self.members)
        history = many.history
        noise = self.noise.random(len(many), _grid(history), history.device)
        return replace(many, noise=noise)

    def fixed(self, batch: Batch) -> Batch:
        """Each sample as often as it is scored, with noise that is the same at every validation."""
        many = batch.repeated(self.scored)
        keys = [
            (int(sequence), int(init), member)
            for sequence, init in batch.index.tolist()
            for member in range(self.scored)
        ]
        noise = self.noise.drawn(keys, _grid(many.history)).to(many.history.device)
        return replace(many, noise=noise)


def told_noise(shape: SampleShape, draws: Draws | None) -> SampleShape:
    """The sizes of a sample with the noise among its static channels."""
    if draws is None:
        return shape
    return replace(shape, static_channels=shape.static_channels + draws.noise.channels)


def folded(values: Tensor, members: int) -> Tensor:
    """(B·M, …) as (B, M, …)."""
    return values.view(-1, members, *values.shape[1:])


def members_sum(
    prediction: Tensor, target: Tensor, valid: Tensor, members: int
) -> tuple[Tensor, Tensor]:
    """:func:`crps_sum` of samples that stand M times (B·M, …), and the cells of one of them."""
    return crps_sum(
        folded(prediction, members), folded(target, members)[:, 0], folded(valid, members)[:, 0]
    )


def _grid(history: Tensor) -> tuple[int, int]:
    return (history.shape[-2], history.shape[-1])
