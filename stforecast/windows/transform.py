"""Physical values to what a model sees, and back: one invertible place for training and forecast.

Encoding applies each channel's function, subtracts the reference of its departures (or the offset
of its scaling), divides by the scale and puts the training period's mean, or no departure, where a
cell is missing. Decoding is the exact inverse and keeps forecasts within each channel's bounds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from stforecast.card import RunCard
from stforecast.errors import RunError
from stforecast.models import Covariates
from stforecast.store import ChannelMeta
from stforecast.windows.amplitude import amplitude
from stforecast.windows.changed import Changed
from stforecast.windows.climatology import Climatology
from stforecast.windows.dataset import Batch
from stforecast.windows.departures import Departures
from stforecast.windows.scaling import each_channel, offset_and_scale
from stforecast.windows.spec import Departure, Function, Scaling, WindowSpec
from stforecast.windows.statistics import Statistics


class TransformState(NamedTuple):
    """What decoding needs to know of a sample's history.

    Attributes
    ----------
    reference:
        (B, 1 or T', C, H, W): what is subtracted from the target, after the functions; (C, 1, 1)
        without departures.
    known:
        (B, 1, C, H, W): False where the whole history of a cell is missing, and so its forecast.
    amplitude:
        (B, 1, C, 1, 1): by how much departures of the sample are larger than usual; None where
        windows are not scaled one by one.
    night:
        (B, T', 1, H, W): True where variables of daylight are zero; None where there are none.
    """

    reference: Tensor
    known: Tensor
    amplitude: Tensor | None = None
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
    departure, function:
        What is subtracted from history and target, and what is learned in place of the values: one
        for all channels, or one for each.
    minimum, maximum:
        Bounds (C,) in physical units; None for a channel or for all without.
    scaling, together:
        As of :func:`stforecast.windows.scaling.offset_and_scale`.
    daylight:
        Which channels (C,) are zero at night; none by default.
    climatology:
        The usual fields (n, C, H, W) after the functions, one for each class of times.
    tells_climatology:
        Whether the model is told them, as future channels.
    scale_each_window:
        Whether departures are scaled by those of the window itself, too.
    """

    mean: Tensor
    offset: Tensor
    scale: Tensor
    value_scale: Tensor
    filling: Tensor
    minimum: Tensor
    maximum: Tensor
    masked: Tensor
    daylight: Tensor
    departing: Tensor

    def __init__(
        self,
        statistics: Statistics,
        departure: Departure | Sequence[Departure] = "none",
        minimum: Sequence[float | None] | None = None,
        maximum: Sequence[float | None] | None = None,
        scaling: Scaling | Sequence[Scaling] = "standard",
        together: bool = False,
        daylight: Sequence[bool] | None = None,
        function: Function | Sequence[Function] = "none",
        climatology: NDArray[np.float32] | None = None,
        tells_climatology: bool = False,
        scale_each_window: bool = False,
    ) -> None:
        super().__init__()
        channels = len(statistics.mean)
        self.scale_each_window = scale_each_window
        self.departures = each_channel(departure, channels)
        self.functions = each_channel(function, channels)
        self.tells_climatology = tells_climatology
        if climatology is None and (tells_climatology or "climatology" in self.departures):
            raise RunError("the run has no climatology; train it again")
        statistics = statistics.after(self.functions)
        offset, value_scale = offset_and_scale(statistics, "none", scaling, together)
        _, scale = offset_and_scale(statistics, self.departures, scaling, together)
        plain = [one == "none" for one in self.departures]
        self._keep("mean", statistics.mean)
        self._keep("offset", offset)
        self._keep("scale", scale)
        self._keep("value_scale", value_scale)
        # what the model sees of a missing cell: the mean, or no departure
        self._keep("filling", np.where(plain, (statistics.mean - offset) / scale, 0.0))
        self._keep("minimum", _bounds(minimum, channels, -np.inf))
        self._keep("maximum", _bounds(maximum, channels, np.inf))
        shone = torch.tensor(list(daylight) if daylight is not None else [False] * channels)
        self.register_buffer("daylight", shone[:, None, None], persistent=False)
        departing = torch.tensor(plain).logical_not()[:, None, None]
        self.register_buffer("departing", departing, persistent=False)
        usual = None if climatology is None else torch.from_numpy(np.array(climatology, np.float32))
        self.changed = Changed(self.functions)
        self.references = Departures(self.departures, self.mean, self.offset, usual)
        masked = torch.from_numpy(np.flatnonzero(statistics.missing))
        self.register_buffer("masked", masked, persistent=False)
        self.mask_channels = len(masked)

    @classmethod
    def create(
        cls,
        statistics: Statistics,
        spec: WindowSpec,
        channels: Sequence[ChannelMeta],
        climatology: Climatology | None = None,
    ) -> "Transform":
        """The transform of a run that is being trained on ``channels``."""
        names = [channel.name for channel in channels]
        return cls(
            statistics,
            spec.departures(names),
            [channel.minimum for channel in channels],
            [channel.maximum for channel in channels],
            spec.scalings(names),
            spec.scale_together,
            [channel.daylight for channel in channels],
            spec.functions(names),
            None if climatology is None else climatology.fields,
            spec.tells_climatology,
            spec.scale_each_window,
        )

    @classmethod
    def from_card(cls, card: RunCard, climatology: Climatology | None = None) -> "Transform":
        """The transform of a trained run; RunError when its card is damaged."""
        statistics = Statistics.from_json(card.statistics)
        spec = WindowSpec.from_json(card.windows)
        return cls.create(statistics, spec, card.channels, climatology)

    def _keep(self, name: str, values: ArrayLike) -> None:
        buffer = torch.as_tensor(np.asarray(values, np.float32))[:, None, None]
        self.register_buffer(name, buffer, persistent=False)

    def encode(self, history: Tensor, classes: Tensor | None = None) -> Encoded:
        """Physical history (B, T, C, H, W), NaN where missing, as the model sees it.

        classes: (B, T + T') of history and forecast, for departures from a climatology.
        """
        return self._encode(history, classes)[0]

    def _encode(
        self,
        history: Tensor,
        classes: Tensor | None,
        lags: Tensor | None = None,
        lag_classes: Tensor | None = None,
    ) -> tuple[Encoded, Tensor | None]:
        """The same, and the lagged frames (B, G, N, C, H, W) as channels of each time, if any."""
        history = self.changed(history.float())
        valid = ~torch.isnan(history)
        known = valid.any(dim=1, keepdim=True)
        # what is subtracted at all times alike
        steady = self.references.steady(history, valid)
        steps = history.shape[1]
        past = None if classes is None else classes[:, :steps]
        ahead = None if classes is None else classes[:, steps:]
        normalised = (history - self.references.reference(steady, past)) / self.scale
        lagged = lagged_valid = None
        if lags is not None:
            lags = self.changed(lags.float())
            lagged_valid = ~torch.isnan(lags)
            # the same for all lags of a sample
            each = None if steady is None else steady.unsqueeze(1)
            lagged = (lags - self.references.reference(each, lag_classes)) / self.scale
        size = None
        if self.scale_each_window:
            size = amplitude(normalised, valid, lagged, lagged_valid, self.departing)
            normalised = normalised / size
            lagged = None if lagged is None else lagged / size.unsqueeze(1)
        normalised = torch.where(valid, normalised, self.filling)
        mask = valid.index_select(2, self.masked).float() if self.mask_channels else None
        state = TransformState(self.references.reference(steady, ahead), known, size)
        if lagged is not None:
            assert lagged_valid is not None
            lagged = self._as_channels(lagged, lagged_valid)
        return Encoded(normalised, mask, state), lagged

    def inputs(self, batch: Batch) -> tuple[Tensor, Covariates | None, TransformState]:
        """What a model is given: :meth:`encode`, with the mask as the last past channels.

        The lagged frames, encoded alike, are the last future channels: for each lag C values and a
        mask, 1 in cells where all of them are known. Other future covariates, which may be the same
        in all cells, come before them; the normalised climatology, where it is told, after them.
        Noise makes the last static channels.
        """
        covariates = batch.covariates
        (normalised, mask, state), lagged = self._encode(
            batch.history, batch.classes, batch.lags, batch.lag_classes
        )
        state = state._replace(night=batch.night)
        if mask is not None:
            covariates = covariates or Covariates()
            past = mask if covariates.past is None else torch.cat([covariates.past, mask], dim=2)
            covariates = replace(covariates, past=past)
        if lagged is not None:
            covariates = covariates or Covariates()
            covariates = replace(covariates, future=_joined(covariates.future, lagged))
        if batch.noise is not None:
            covariates = covariates or Covariates()
            told = covariates.static
            noise = batch.noise if told is None else torch.cat([told, batch.noise], dim=1)
            covariates = replace(covariates, static=noise)
        if self.tells_climatology:
            assert self.references.climatology is not None
            assert batch.classes is not None
            covariates = covariates or Covariates()
            usual = (self.references.climatology[batch.classes] - self.offset) / self.value_scale
            covariates = replace(covariates, future=_joined(covariates.future, usual))
        return normalised, covariates, state

    def _as_channels(self, lagged: Tensor, valid: Tensor) -> Tensor:
        """Lagged frames (B, G, N, C, H, W) as channels of each time, (B, N, G·(C+1), H, W)."""
        values = torch.where(valid, lagged, self.filling)
        known = valid.all(dim=3, keepdim=True)
        channels = torch.cat([values, known.to(values.dtype)], dim=3)
        return channels.transpose(1, 2).flatten(2, 3)

    def encode_target(self, target: Tensor, state: TransformState) -> tuple[Tensor, Tensor]:
        """Normalised target (B, T', C, H, W) and its mask, True where it counts in the loss.

        A cell counts where it holds a value and its forecast is not missing.
        """
        target = self.changed(target.float())
        mask = ~torch.isnan(target) & state.known
        normalised = (target - state.reference) / self.scale
        if state.amplitude is not None:
            normalised = normalised / state.amplitude
        return torch.where(mask, normalised, 0.0), mask

    def decode(self, prediction: Tensor, state: TransformState) -> Tensor:
        """Physical float32 values of a normalised prediction (B, [M,] T', C, H, W).

        Within each channel's bounds, zero by night for those of daylight, and NaN where the whole
        history of the cell is missing.
        """
        reference, known, size, night = state
        if prediction.ndim == 6:  # members
            known = known.unsqueeze(1)
            reference = reference if reference.ndim < 5 else reference.unsqueeze(1)
            size = None if size is None else size.unsqueeze(1)
            night = None if night is None else night.unsqueeze(1)
        departure = prediction.float() * self.scale
        departure = departure if size is None else departure * size
        physical = self.changed.inverse(departure + reference)
        physical = physical.clamp(self.minimum, self.maximum)
        if night is not None:
            physical = torch.where(night & self.daylight, 0.0, physical)
        return torch.where(known, physical, torch.nan)


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
