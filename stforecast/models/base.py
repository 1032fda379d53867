"""What every system has in common: the shape of its samples, what else it is told, what it gives.

Shapes are written with B samples, T history frames, T' forecast frames, C channels (the forecast
variables), H rows and W columns, and P, K, S channels of past, future and static covariates.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True)
class SampleShape:
    """The sizes of a sample, and what is known of its frames.

    periodic_x: the columns go round the globe. unit_range: the values lie in [0, 1].
    """

    in_steps: int
    out_steps: int
    channels: int
    height: int
    width: int
    past_channels: int = 0
    future_channels: int = 0
    static_channels: int = 0
    periodic_x: bool = False
    unit_range: bool = False

    def __post_init__(self) -> None:
        for name in ("in_steps", "out_steps", "channels", "height", "width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"a sample needs {name} of 1 or more, not {getattr(self, name)}")
        for name in ("past_channels", "future_channels", "static_channels"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it cannot be negative")

    @property
    def frame_channels(self) -> int:
        """Channels of a history frame with all that is known of it beside it: C + P + K + S."""
        return self.channels + self.past_channels + self.future_channels + self.static_channels

    @property
    def known_channels(self) -> int:
        """Channels known of a frame yet to come: K + S."""
        return self.future_channels + self.static_channels

    def example(self, batch: int = 1, seed: int = 0) -> tuple[Tensor, Covariates | None]:
        """A sample of noise, to measure or trace a model with; K without H and W."""
        random = torch.Generator().manual_seed(seed)

        def noise(*size: int) -> Tensor:
            return torch.randn(size, generator=random)

        T, H, W = self.in_steps, self.height, self.width
        history = noise(batch, T, self.channels, H, W)
        P, K, S = self.past_channels, self.future_channels, self.static_channels
        if P + K + S == 0:
            return history, None
        return history, Covariates(
            past=noise(batch, T, P, H, W) if P else None,
            future=noise(batch, T + self.out_steps, K) if K else None,
            static=noise(batch, S, H, W) if S else None,
        )


@dataclasses.dataclass
class Covariates:
    """What a system is told beside the history.

    past: (B, T, P, H, W), seen up to the initial time; masks of missing cells are among it.
    future: (B, T+T', K) or (B, T+T', K, H, W), known in advance, for history and forecast alike.
    static: (B, S, H, W), the same at all times.
    """

    past: Tensor | None = None
    future: Tensor | None = None
    static: Tensor | None = None

    def to(self, device: torch.device | str) -> Covariates:
        """The same on a device."""
        moved = {
            kind: None if value is None else value.to(device) for kind, value in vars(self).items()
        }
        return Covariates(**moved)


# History, covariates, target and where it is known, as a system sees them in training.
Sample = tuple[Tensor, Covariates | None, Tensor, Tensor]

# Lets torch.export and torch.compile take apart the arguments of a model.
torch.utils._pytree.register_dataclass(Covariates)


@dataclasses.dataclass
class TrainingForward:
    """What the loss compares, and what a system adds to it, by name.

    A prediction of more than T' frames is of the last frames of history and target together.
    """

    prediction: Tensor
    target: Tensor
    losses: dict[str, Tensor] = dataclasses.field(default_factory=dict)


class Published(Protocol):
    """Something that a paper describes."""

    paper: str


@dataclasses.dataclass(frozen=True)
class Variants:
    """A setting whose values are variants of a system: ``simvp:tau`` is simvp, translator tau.

    values: what the setting can be, and what that stands for.
    """

    setting: str
    values: Mapping[str, Published | type[Published]]


class Forecaster(nn.Module):
    """A system that forecasts frames from frames.

    A subclass takes the shape of its samples and its settings, keyword-only and with defaults,
    and defines :meth:`forward`. ``fixed_grid`` says that its parameters know H and W; others
    take any grid. ``variants`` says which setting has variants that are known by names of their
    own; its default is the system without one.
    """

    shape: SampleShape
    fixed_grid: bool = False
    variants: ClassVar[Variants | None] = None
    loss: str = "mse"  # the published one; training.loss may be another
    name: str = ""
    settings: dict[str, Any]

    def __init__(self, shape: SampleShape) -> None:
        super().__init__()
        self.shape = shape
        self.settings = {}

    @classmethod
    def setting_parameters(cls, given: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
        """The settings this system takes when those in `given` are set, in their order."""
        return keyword_parameters(cls.__init__)

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        """Forecast T' frames.

        history: (B, T, C, H, W), normalised, without NaN. Returns (B, T', C, H, W), float32.
        """
        raise NotImplementedError

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
        """Forecast while the target is known: teacher forcing and auxiliary losses live here.

        target: (B, T', C, H, W), missing cells filled; `valid` says where it is known, and without
        it that is everywhere. `step` of `total_steps` drives sampling schedules.
        """
        return TrainingForward(self(history, covariates), target)

    def prepare(self, samples: Iterable[Sample]) -> None:
        """Learn before the first step what needs no steps; nothing by default.

        `samples` are some of the training period's, evenly spread; they are made as they are asked
        for.
        """


def keyword_parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Keyword-only parameters of a function, with their annotations evaluated."""
    parameters = inspect.signature(function, eval_str=True).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def history_frames(history: Tensor, covariates: Covariates | None, shape: SampleShape) -> Tensor:
    """Join the history frames and what is known of each of them.

    Returns (B, T, C+P+K+S, H, W): channels, past, the history's part of future, static.
    """
    _check_frames(history, shape)
    B, T, _, H, W = history.shape
    covariates = covariates or Covariates()
    parts = [history]
    if shape.past_channels:
        size = (B, T, shape.past_channels, H, W)
        parts.append(_expect("past", covariates.past, size))
    if shape.future_channels:
        parts.append(_future(covariates, shape, B, H, W)[:, :T])
    if shape.static_channels:
        parts.append(_static(covariates, shape, B, H, W).expand(-1, T, -1, -1, -1))
    return torch.cat(parts, dim=2) if len(parts) > 1 else history


def known_frames(
    history: Tensor, covariates: Covariates | None, shape: SampleShape
) -> Tensor | None:
    """Join what is known in advance of each forecast frame.

    Returns (B, T', K+S, H, W): the forecast's part of future, static; None if K is 0.
    """
    if not shape.future_channels:
        return None
    B, T, _, H, W = history.shape
    covariates = covariates or Covariates()
    parts = [_future(covariates, shape, B, H, W)[:, T:]]
    if shape.static_channels:
        static = _static(covariates, shape, B, H, W)
        parts.append(static.expand(-1, shape.out_steps, -1, -1, -1))
    return torch.cat(parts, dim=2)


def future_fields(
    history: Tensor, covariates: Covariates | None, shape: SampleShape
) -> Tensor | None:
    """Future covariates of history and forecast (B, T+T', K, H, W); None if K is 0."""
    if not shape.future_channels:
        return None
    B, _, _, H, W = history.shape
    return _future(covariates or Covariates(), shape, B, H, W)


def step_covariates(
    history: Tensor, covariates: Covariates | None, shape: SampleShape
) -> Tensor | None:
    """Join what a recurrent system is told at each step from a frame to the next.

    Returns (B, T+T'-1, P+K+S, H, W), or None if that is nothing: past of the frame that is there,
    zero after the initial time; future of the frame that is to come; static.
    """
    if not shape.past_channels + shape.known_channels:
        return None
    B, T, _, H, W = history.shape
    steps = T + shape.out_steps - 1
    covariates = covariates or Covariates()
    parts = []
    if shape.past_channels:
        past = _expect("past", covariates.past, (B, T, shape.past_channels, H, W))
        unknown = past.new_zeros(B, shape.out_steps - 1, *past.shape[2:])
        parts.append(torch.cat((past, unknown), dim=1))
    if shape.future_channels:
        parts.append(_future(covariates, shape, B, H, W)[:, 1:])
    if shape.static_channels:
        parts.append(_static(covariates, shape, B, H, W).expand(-1, steps, -1, -1, -1))
    return torch.cat(parts, dim=2)


def check_history(history: Tensor, model: Forecaster) -> None:
    """Raise DataError unless a model can take this history."""
    shape = model.shape
    _check_frames(history, shape)
    if model.fixed_grid and history.shape[-2:] != (shape.height, shape.width):
        given, own = "×".join(map(str, history.shape[-2:])), f"{shape.height}×{shape.width}"
        raise DataError(
            f"the history is on a {given} grid, but weights of {model.name} belong to the {own} "
            "cells that it was trained on"
        )


def _check_frames(history: Tensor, shape: SampleShape) -> None:
    if history.shape[1:3] != (shape.in_steps, shape.channels):
        T, C = history.shape[1:3]
        raise DataError(
            f"the history has {T} frames of {C} channels, "
            f"but the model takes {shape.in_steps} of {shape.channels}"
        )


def _future(covariates: Covariates, shape: SampleShape, B: int, H: int, W: int) -> Tensor:
    """(B, T+T', K, H, W)"""
    size = (B, shape.in_steps + shape.out_steps, shape.future_channels)
    future = covariates.future
    if future is not None and future.ndim == 3:
        return _expect("future", future, size)[..., None, None].expand(-1, -1, -1, H, W)
    return _expect("future", future, (*size, H, W))


def _static(covariates: Covariates, shape: SampleShape, B: int, H: int, W: int) -> Tensor:
    """(B, 1, S, H, W)"""
    return _expect("static", covariates.static, (B, shape.static_channels, H, W))[:, None]


def _expect(kind: str, value: Tensor | None, size: tuple[int, ...]) -> Tensor:
    if value is None:
        raise DataError(f"the model was made for {kind} covariates; none are given")
    if tuple(value.shape) != size:
        raise DataError(f"{kind} covariates have the shape {tuple(value.shape)}, not {size}")
    return value
