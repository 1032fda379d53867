"""Windows drawn towards what was a lag before: days as they might have been.

A short record may hold few days that are like the day before, and what follows such days will not
be learned from it. A window between itself and the frames of a lag before it is such a day: what
differs from the day before is made smaller, in history and target alike, while the lagged frames
stay. Blends of samples are mixup (Zhang et al. 2018, arXiv:1710.09412); here a sample is blended
with its own past, so that grid, hour and lags go together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from stforecast.errors import ConfigError
from stforecast.options import TrainingOptions
from stforecast.windows import Batch, WindowSpec

# The least of itself that a window keeps.
LEAST: Final = 0.1


@dataclass(frozen=True)
class LagMixing:
    """Mixes a share of the windows of a batch, each by a weight and with a lag of its own."""

    share: float

    @classmethod
    def of(
        cls, options: TrainingOptions, spec: WindowSpec, channels: Sequence[str]
    ) -> "LagMixing | None":
        """What the options ask for, if anything; ConfigError where the windows do not allow it."""
        if not options.lag_mixing:
            return None
        if not spec.lags:
            raise ConfigError(
                "training.lag_mixing mixes windows with the frames a lag before; give windows.lags"
            )
        if "climatology" in spec.departures(channels):
            raise ConfigError(
                "training.lag_mixing mixes what was at other hours, and departures from a "
                "climatology have hours of their own; set windows.departure to last_frame or "
                "lag_mixing to 0"
            )
        return cls(options.lag_mixing)

    def mixed(self, batch: Batch) -> Batch:
        """The batch with some of its windows (history and target) mixed, by the global generator.

        A cell that the lagged frame lacks stays as it is, and one that the window lacks is missing.
        """
        assert batch.lags is not None
        assert batch.target is not None
        history, device = batch.history, batch.history.device
        samples, lags = batch.lags.shape[:2]
        chosen = torch.rand(samples, device=device) < self.share
        kept = LEAST + (1 - LEAST) * torch.rand(samples, device=device)
        weight = torch.where(chosen, kept, 1.0)[:, None, None, None, None]
        which = torch.randint(lags, (samples,), device=device)
        lagged = batch.lags[torch.arange(samples, device=device), which]
        steps = history.shape[1]
        return replace(
            batch,
            history=_between(history, lagged[:, :steps], weight),
            target=_between(batch.target, lagged[:, steps:], weight),
        )


def _between(values: Tensor, lagged: Tensor, weight: Tensor) -> Tensor:
    return torch.where(lagged.isnan(), values, weight * values + (1 - weight) * lagged)
