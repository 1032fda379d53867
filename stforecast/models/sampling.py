"""Which frames a recurrent system is shown in training, and which of its own it must go on from.

Scheduled sampling: Bengio et al. 2015, arXiv:1506.03099. Reverse scheduled sampling: Wang et al.
2021 (PredRNN-V2), arXiv:2103.09504, section 3.4. Teacher forcing of whole sequences: Le Guen and
Thome 2020 (PhyDNet), arXiv:2003.01460.
"""

import dataclasses
import math
from typing import Literal

import torch
from torch import Tensor

from stforecast.models.settings import require

SamplingKind = Literal["none", "scheduled", "reverse", "sequence"]


@dataclasses.dataclass(frozen=True)
class Sampling:
    """A schedule of true frames shown in training.

    kind: "scheduled" draws frame by frame whether the true forecast frame is shown, with a chance
        that falls linearly from 1 at `begin` to 0 at `end`. "sequence" draws once for a whole batch
        (teacher forcing). "reverse" also hides history frames: they are shown with a chance of 1/2
        until `begin`, then 1 - exp(-t / decay) / 2 at t steps after it, and always from `end`;
        forecast frames with 1/2 until `begin`, then linearly down to 0 at `end`. "none" shows the
        history and nothing else.
    begin, end, decay: in optimiser steps; up to 1 they are parts of the whole training.
    """

    kind: SamplingKind
    begin: float
    end: float
    decay: float

    def __post_init__(self) -> None:
        for key in ("begin", "end"):
            value = getattr(self, key)
            require(value >= 0, f"model.sampling_{key} is {value:g}; it cannot be negative")
        require(self.decay > 0, f"model.sampling_decay is {self.decay:g}; it must be above 0")
        alike = (self.begin > 1) == (self.end > 1)
        require(
            not alike or self.begin <= self.end,
            f"model.sampling_begin is {self.begin:g} and sampling_end {self.end:g}; "
            "let it begin before it ends",
        )

    def chances(self, step: int, total_steps: int | None) -> tuple[float, float]:
        """Chances that a true history frame and a true forecast frame are shown at a step.

        While total_steps is not known, what is a part of it has not come.
        """
        begin, end, decay = (_in_steps(value, total_steps) for value in self._times)
        if self.kind == "none" or step >= end:
            return 1.0, 0.0
        left = 1.0  # what is still to go of the way from begin to end
        if step > begin and end < math.inf:
            left = (end - step) / (end - begin)
        if self.kind != "reverse":
            return 1.0, left
        if step < begin:
            return 0.5, 0.5
        return 1 - 0.5 * math.exp(-(step - begin) / decay), 0.5 * left

    def middle(self, total_steps: int) -> int:
        """The step half way from `begin` to `end` in a training of so many."""
        begin, end, _ = (_in_steps(value, total_steps) for value in self._times)
        return round((begin + end) / 2)

    @property
    def _times(self) -> tuple[float, float, float]:
        return self.begin, self.end, self.decay

    def shown(
        self, step: int, total_steps: int | None, size: tuple[int, int, int], device: torch.device
    ) -> Tensor:
        """Draw which frames after the first are shown: (B, T + T' - 2), True for the true frame.

        size: (B, T, T'). Frame i + 1 of history and target belongs to column i; the last frame of
        the target is never an input.
        """
        B, T, T_out = size
        drawn = (1, 1) if self.kind == "sequence" else (B, T + T_out - 2)
        draws = torch.rand(drawn, device=device).expand(B, T + T_out - 2)
        history, target = self.chances(step, total_steps)
        return torch.cat((draws[:, : T - 1] < history, draws[:, T - 1 :] < target), dim=1)


def _in_steps(value: float, total_steps: int | None) -> float:
    """A point of a schedule in steps; up to 1 it is a part of a training."""
    if value > 1 or value == 0:
        return value
    return math.inf if total_steps is None else value * total_steps
