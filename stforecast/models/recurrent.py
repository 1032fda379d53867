"""The one loop that all recurrent systems are unrolled by.

A recurrent system turns the frame at t, and its state, into the frame at t + 1. Up to the initial
time it is shown the history, after it what it forecast itself; in training a schedule may show it
frames of the target too. All T + T' - 1 frames it gives are learned from, as in the public codes.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from stforecast.models.base import (
    Covariates,
    Forecaster,
    SampleShape,
    TrainingForward,
    check_history,
    keyword_parameters,
    step_covariates,
)
from stforecast.models.layers import crop_from_multiple, pad_to_multiple
from stforecast.models.sampling import Sampling, SamplingKind
from stforecast.models.settings import require

Losses = dict[str, list[Tensor]]


class RecurrentForecaster(Forecaster):
    """A system given by :meth:`init_state` and :meth:`step`; the loop is here.

    Frames are cut into patches of `patch` x `patch` cells, which become channels: a step sees
    (B, input_channels, h, w) and gives (B, output_channels, h, w). Grids that `multiple` does not
    divide are padded and cropped. State is made anew for every call and never kept.

    sampling, sampling_begin, sampling_end, sampling_decay: see :class:`Sampling`. By default the
        published schedules as parts of the training they were published with (200 epochs of
        Moving MNIST, 125,000 steps).
    padding: "auto" goes round the globe where the grid does, "zeros" never.
    """

    def __init__(
        self,
        shape: SampleShape,
        patch: int = 1,
        multiple: int | None = None,
        *,
        sampling: SamplingKind = "scheduled",
        sampling_begin: float = 0.0,
        sampling_end: float = 0.4,
        sampling_decay: float = 0.04,
        padding: Literal["auto", "zeros"] = "auto",
    ) -> None:
        super().__init__(shape)
        require(patch >= 1, f"model.patch_size is {patch}; it must be 1 or more")
        self.patch = patch
        self.multiple = multiple or patch
        self.periodic_x = shape.periodic_x and padding == "auto"
        self.sampling = Sampling(sampling, sampling_begin, sampling_end, sampling_decay)
        self._compiled_step: Callable[..., tuple[Tensor, Any]] | None = None

    @classmethod
    def setting_parameters(cls, given: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
        """The system's own settings and those of the loop."""
        loop = keyword_parameters(RecurrentForecaster.__init__)
        own = keyword_parameters(cls.__init__)
        return own | {name: loop[name] for name in loop if name not in own}

    @property
    def input_channels(self) -> int:
        """Channels that a step sees: a frame and what is told of it, in patches."""
        return self.patch**2 * self.shape.frame_channels

    @property
    def output_channels(self) -> int:
        """Channels that a step gives."""
        return self.patch**2 * self.shape.channels

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns that a step sees of the grid that the system was made for."""
        height, width = (
            -(-size // self.multiple) for size in (self.shape.height, self.shape.width)
        )
        scale = self.multiple // self.patch
        return height * scale, width * scale

    @property
    def parameter_grid(self) -> tuple[int, int]:
        """Rows and columns of parameters that know the grid, which broadcast over it.

        One column where it goes round the globe, so that rolling a field rolls its forecast.
        """
        height, width = self.grid
        return height, 1 if self.periodic_x else width

    def init_state(self, x: Tensor) -> Any:
        """The state before the first frame; x: what the first step will see."""
        raise NotImplementedError

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        """One step in time.

        x: (B, input_channels, h, w), the frame at t (its patches first) and what is told of it.
        losses: where the system puts, by name, what it adds to the loss; None in a forecast.
        Returns the frame at t + 1 (B, output_channels, h, w), float32, and the new state.
        """
        raise NotImplementedError

    def final_losses(self) -> dict[str, Tensor]:
        """What the system adds to the loss once per training step, whatever the frames."""
        return {}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the step, which forecast and training share, and not the loop with its copies."""
        self._compiled_step = torch.compile(self.step, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over: not the step compiled with this one's parameters."""
        return {**super().__getstate__(), "_compiled_step": None}

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        check_history(history, self)
        H, W = history.shape[-2:]
        T, T_out = self.shape.in_steps, self.shape.out_steps
        told = step_covariates(history, covariates, self.shape)
        y, _ = self.unroll(self._patched(history), self._told(told), T + T_out - 1)
        return self._unpatched(y[:, T - 1 :], H, W)

    def training_forward(
        self,
        history: Tensor,
        target: Tensor,
        covariates: Covariates | None = None,
        *,
        valid: Tensor | None = None,
        step: int = 0,
        total_steps: int | None = None,
    ) -> TrainingForward:
        """Forecast every frame after the first: prediction and target are (B, T+T'-1, C, H, W).

        Where a target frame that is shown lacks a cell, the system goes on from its own forecast.
        """
        check_history(history, self)
        B, T, _, H, W = history.shape
        T_out = self.shape.out_steps
        told = step_covariates(history, covariates, self.shape)
        frames = torch.cat((history, target), dim=1)  # (B, T+T', C, H, W)
        shown = self.sampling.shown(step, total_steps, (B, T, T_out), history.device)
        shown = shown[..., None, None, None]  # (B, T+T'-2, 1, 1, 1)
        if valid is not None:
            known = torch.cat((torch.ones_like(history), valid.float()), dim=1)
            shown = shown & self._patched(known[:, 1:-1]).bool()  # (B, T+T'-2, p²C, h, w)
        losses: Losses = {}
        y, _ = self.unroll(
            self._patched(frames[:, :-1]), self._told(told), T + T_out - 1, shown, losses
        )
        means = {name: torch.stack(values).mean() for name, values in losses.items()}
        prediction = self._unpatched(y, H, W)
        return TrainingForward(prediction, frames[:, 1:], means | self.final_losses())

    def unroll(
        self,
        frames: Tensor,
        told: Tensor | None,
        steps: int,
        shown: Tensor | None = None,
        losses: Losses | None = None,
    ) -> tuple[Tensor, Any]:
        """Go through time.

        frames: (B, n, p²C, h, w), the true frames that there are.
        told: (B, steps, p²(P+K+S), h, w), or None.
        shown: (B, steps - 1, p²C, h, w) or (B, steps - 1, 1, 1, 1), where frames after the first
            are true; by default all that there are.
        Returns frames 2 to steps + 1 as forecast, (B, steps, p²C, h, w), and the last state.
        """
        step = self._compiled_step or self.step
        outputs: list[Tensor] = []
        state = None
        for t in range(steps):
            if t == 0:
                x = frames[:, 0]
            elif shown is not None:
                x = torch.where(shown[:, t - 1], frames[:, t], outputs[-1])
            else:
                x = frames[:, t] if t < frames.shape[1] else outputs[-1]
            if told is not None:
                x = torch.cat((x, told[:, t]), dim=1)
            if t == 0:
                state = self.init_state(x)
            found: Losses | None = None if losses is None else {}
            y, state = step(x, state, found)
            outputs.append(y)
            if losses is not None and found is not None:
                for name, values in found.items():
                    losses.setdefault(name, []).extend(values)
        return torch.stack(outputs, dim=1), state

    def _told(self, told: Tensor | None) -> Tensor | None:
        return None if told is None else self._patched(told)

    def _patched(self, x: Tensor) -> Tensor:
        """(B, L, C, H, W) -> (B, L, p²C, h, w); a patch's cells row by row, each with its C."""
        B, L = x.shape[:2]
        x = pad_to_multiple(x.flatten(0, 1), self.multiple, self.periodic_x)
        C, H, W = x.shape[1:]
        p = self.patch
        x = x.reshape(B, L, C, H // p, p, W // p, p).permute(0, 1, 4, 6, 2, 3, 5)
        return x.reshape(B, L, p * p * C, H // p, W // p)

    def _unpatched(self, y: Tensor, H: int, W: int) -> Tensor:
        """(B, L, p²C, h, w) -> (B, L, C, H, W)"""
        B, L, _, h, w = y.shape
        p = self.patch
        y = y.reshape(B, L, p, p, -1, h, w).permute(0, 1, 4, 5, 2, 6, 3)
        y = y.reshape(B * L, -1, h * p, w * p)
        frames: Tensor = crop_from_multiple(y, self.multiple, H, W).unflatten(0, (B, L))
        return frames
