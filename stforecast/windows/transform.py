"""Physical values to what a model sees, and back: one invertible place for training and forecast.

Encoding subtracts the reference of the departures (or the offset of the scaling), divides by the
scale and puts the training period's mean, or no departure, where a cell is missing. Decoding is the
exact inverse and keeps forecasts within each channel's bounds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from stforecast.card import RunCard
from stforecast.models import Covariates
from stforecast.store import ChannelMeta
from stforecast.windows.dataset import Batch
from stforecast.windows.scaling import offset_and_scale
from stforecast.windows.spec import Departure, Scaling, WindowSpec
from stforecast.windows.statistics import Statistics


class TransformState(NamedTuple):
    """What decoding needs to know of a sample's history.

    Attributes
    ----------
    reference:
        (B, 1, C, H, W) physical values that were subtracted, or (C, 1, 1) without departures.
    known:
        (B, 1, C, H, W): False where the whole history of a cell is missing, and so its forecast.
    night:
        (B, T', 1, H, W): True where variables of daylight are zero; None where there are none.
    """

    reference: Tensor
    known: Tensor
    night: Tensor | None = None


class Encoded(NamedTuple):
    """A history as the model sees it.

    Attributes
    ----------
    history:
        (B, T, C, H, W) normalised float32 without NaN.
    mask:
        (B, T, P, H, W), 1 where a cell holds a value, for the channels with missing cells in the
        training period; None without such channels.
    state:
        What :meth:`Transform.encode_target` and :meth:`Transform.decode` need.
    """

    history: Tensor
    mask: Tensor | None
    state: TransformState


class Transform(nn.Module):
    """Normalisation, departures, missing cells and bounds of a run's channels.

    A module for the sake of ``.to(device)``; its buffers are on the run's card and not among its
    weights.

    Parameters
    ----------
    statistics:
        Those of the training period.
    departure:
        What is subtracted from history and target besides.
    minimum, maximum:
        Bounds (C,) in physical units; None for a channel or for all without.
    scaling, together:
        As of :func:`stforecast.windows.scaling.offset_and_scale`.
    daylight:
        Which channels (C,) are zero at night; none by default.
    """

    mean: Tensor
    offset: Tensor
    scale: Tensor
    filling: Tensor
    minimum: Tensor
    maximum: Tensor
    masked: Tensor
    daylight: Tensor

    def __init__(
        self,
        statistics: Statistics,
        departure: Departure = "none",
        minimum: Sequence[float | None] | None = None,
        maximum: Sequence[float | None] | None = None,
        scaling: Scaling = "standard",
        together: bool = False,
        daylight: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        self.departure = departure
        offset, scale = offset_and_scale(statistics, departure, scaling, together)
        channels = len(statistics.mean)
        self._keep("mean", statistics.mean)
        self._keep("offset", offset)
        self._keep("scale", scale)
        # what the model sees of a missing cell: the mean, or no departure
        mean = (statistics.mean - offset) / scale
        self._keep("filling", mean if departure == "none" else np.zeros(channels))
        self._keep("minimum", _bounds(minimum, channels, -np.inf))
        self._keep("maximum", _bounds(maximum, channels, np.inf))
        shone = torch.tensor(list(daylight) if daylight is not None else [False] * channels)
        self.register_buffer("daylight", shone[:, None, None], persistent=False)
        masked = torch.from_numpy(np.flatnonzero(statistics.missing))
        self.register_buffer("masked", masked, persistent=False)
        self.mask_channels = len(masked)

    @classmethod
    def create(
        cls, statistics: Statistics, spec: WindowSpec, channels: Sequence[ChannelMeta]
    ) -> "Transform":
        """The transform of a run that is being trained on ``channels``."""
        minimum = [channel.minimum for channel in channels]
        maximum = [channel.maximum for channel in channels]
        daylight = [channel.daylight for channel in channels]
        return cls(
            statistics,
            spec.departure,
            minimum,
            maximum,
            spec.scaling,
            spec.scale_together,
            daylight,
        )

    @classmethod
    def from_card(cls, card: RunCard) -> "Transform":
        """The transform of a trained run; RunError when its card is damaged."""
        statistics = Statistics.from_json(card.statistics)
        return cls.create(statistics, WindowSpec.from_json(card.windows), card.channels)

    def _keep(self, name: str, values: ArrayLike) -> None:
        buffer = torch.as_tensor(np.asarray(values, np.float32))[:, None, None]
        self.register_buffer(name, buffer, persistent=False)

    def encode(self, history: Tensor) -> Encoded:
        """Physical history (B, T, C, H, W), NaN where missing, as the model sees it."""
        history = history.float()
        valid = ~torch.isnan(history)
        known = valid.any(dim=1, keepdim=True)
        reference = self._reference(history, valid)
        normalised = torch.where(valid, (history - reference) / self.scale, self.filling)
        mask = valid.index_select(2, self.masked).float() if self.mask_channels else None
        return Encoded(normalised, mask, TransformState(reference, known))

    def inputs(self, batch: Batch) -> tuple[Tensor, Covariates | None, TransformState]:
        """What a model is given: :meth:`encode`, with the mask as the last past channels.

        The lagged frames, encoded alike, are the last future channels: for each lag C values and a
        mask, 1 in cells where all of them are known. Other future covariates, which may be the same
        in all cells, come before them. Noise makes the last static channels.
        """
        covariates = batch.covariates
        normalised, mask, state = self.encode(batch.history)
        state = state._replace(night=batch.night)
        if mask is not None:
            covariates = covariates or Covariates()
            past = mask if covariates.past is None else torch.cat([covariates.past, mask], dim=2)
            covariates = replace(covariates, past=past)
        if batch.lags is not None:
            covariates = covariates or Covariates()
            lagged = self._lagged(batch.lags, state)
            future = _joined(covariates.future, lagged)
            covariates = replace(covariates, future=future)
        if batch.noise is not None:
            covariates = covariates or Covariates()
            told = covariates.static
            noise = batch.noise if told is None else torch.cat([told, batch.noise], dim=1)
            covariates = replace(covariates, static=noise)
        return normalised, covariates, state

    def _lagged(self, lags: Tensor, state: TransformState) -> Tensor:
        """Lagged frames (B, G, N, C, H, W) as channels of each time, (B, N, G·(C+1), H, W)."""
        lags = lags.float()
        valid = ~torch.isnan(lags)
        reference = state.reference
        if reference.ndim == 5:  # of each sample, and the same for all of its lags
            reference = reference.unsqueeze(1)
        values = torch.where(valid, (lags - reference) / self.scale, self.filling)
        known = valid.all(dim=3, keepdim=True)
        channels = torch.cat([values, known.to(values.dtype)], dim=3)
        return channels.transpose(1, 2).flatten(2, 3)

    def encode_target(self, target: Tensor, state: TransformState) -> tuple[Tensor, Tensor]:
        """Normalised target (B, T', C, H, W) and its mask, True where it counts in the loss.

        A cell counts where it holds a value and its forecast is not missing.
        """
        target = target.float()
        mask = ~torch.isnan(target) & state.known
        return torch.where(mask, (target - state.reference) / self.scale, 0.0), mask

    def decode(self, prediction: Tensor, state: TransformState) -> Tensor:
        """Physical float32 values of a normalised prediction (B, [M,] T', C, H, W).

        Within each channel's bounds, zero by night for those of daylight, and NaN where the whole
        history of the cell is missing.
        """
        reference, known, night = state
        if prediction.ndim == 6:  # members
            known = known.unsqueeze(1)
            reference = reference if self.departure == "none" else reference.unsqueeze(1)
            night = None if night is None else night.unsqueeze(1)
        physical = prediction.float() * self.scale + reference
        physical = physical.clamp(self.minimum, self.maximum)
        if night is not None:
            physical = torch.where(night & self.daylight, 0.0, physical)
        return torch.where(known, physical, torch.nan)

    def _reference(self, history: Tensor, valid: Tensor) -> Tensor:
        """Values that are subtracted from history and target."""
        if self.departure == "none":
            return self.offset
        if self.departure == "history_mean":
            count = valid.sum(dim=1, keepdim=True)
            total = torch.where(valid, history, 0.0).sum(dim=1, keepdim=True)
            return torch.where(count > 0, total / count.clamp(min=1), self.mean)
        reference = self.mean.expand_as(history[:, 0])
        for step in range(history.shape[1]):
            reference = torch.where(valid[:, step], history[:, step], reference)
        return reference.unsqueeze(1)


def _joined(future: Tensor | None, fields: Tensor) -> Tensor:
    """Future covariates (B, N, K) or (B, N, K, H, W) and further fields (B, N, L, H, W)."""
    if future is None:
        return fields
    if future.ndim == 3:
        future = future[..., None, None].expand(-1, -1, -1, *fields.shape[-2:])
    return torch.cat([future, fields], dim=2)


def _bounds(bounds: Sequence[float | None] | None, channels: int, default: float) -> list[float]:
    given = bounds if bounds is not None else [None] * channels
    return [default if bound is None else bound for bound in given]
