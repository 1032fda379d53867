"""Whether losses and gradients are numbers, asked without holding a GPU up at every step."""

import math
from typing import Literal

import torch
from torch import Tensor


class NotFiniteError(Exception):
    """A loss or a gradient is not a number, or infinite."""

    def __init__(self, what: Literal["loss", "gradient", "validation loss"], step: int) -> None:
        super().__init__(f"the {what} is not finite at step {step}")
        self.what = what
        self.step = step


class Health:
    """Losses and gradient norms of the latest steps.

    Args:
        scaled: gradients are those of a loss scaler (float16), which skips steps whose gradients
            overflow until it has found its scale; only many of them in a row are an illness.
    """

    MOST_SKIPPED = 30

    def __init__(self, scaled: bool = False) -> None:
        self._scaled = scaled
        self._skipped = 0
        self._pending: list[tuple[int, Tensor, Tensor]] = []
        self.loss = math.nan  # of the latest step that was checked

    def record(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Take note of one step: its scalar loss and the norm of its gradients."""
        self._pending.append((step, loss.detach(), norm.detach()))

    def check(self) -> None:
        """Look at what was recorded; NotFiniteError names the first step that is ill."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        # One copy from the device for all of them.
        pairs = torch.stack(
            [torch.stack([loss.float(), norm.float()]) for _, loss, norm in pending]
        ).tolist()
        for (step, _, _), (loss, norm) in zip(pending, pairs, strict=True):
            if not math.isfinite(loss):
                raise NotFiniteError("loss", step)
            self._skipped = 0 if math.isfinite(norm) else self._skipped + 1
            if self._skipped > (self.MOST_SKIPPED if self._scaled else 0):
                raise NotFiniteError("gradient", step)
        self.loss = pairs[-1][0]
