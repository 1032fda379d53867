"""Samples as batches of tensors, in physical units, NaN where missing."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from stforecast.models import Covariates, SampleShape
from stforecast.store import ChannelMeta, TensorStore
from stforecast.windows.climatology import ClassIndex, Climatology
from stforecast.windows.covariates import CovariateSet, Kind
from stforecast.windows.covariates.sky import sky_of
from stforecast.windows.frames import FrameReader, Frames
from stforecast.windows.lags import lag_positions
from stforecast.windows.spec import WindowSpec


@dataclass(frozen=True)
class Batch:
    """Some samples.

    Attributes
    ----------
    history:
        (B, T, C, H, W) float32 in physical units, NaN where missing.
    target:
        (B, T', C, H, W) likewise; None when it is not asked for.
    covariates:
        What else is known; None without covariates.
    index:
        (B, 2): sequence and position of the initial time.
    lags:
        (B, G, T + T', C, H, W) likewise: for each lag, the frame so long before each time of the
        window, NaN where it is absent; None without lags.
    night:
        (B, T', 1, H, W), True where no sun shows in the step that ends then; None where no
        variable asks.
    noise:
        (B, Z, H, W) standard normal, see :mod:`stforecast.windows.noise`; None without.
    classes, lag_classes:
        (B, T + T') and (B, G, T + T') int64: which field of the run's climatology is that of each
        time of the window and of each lagged frame; None where there is none.
    """

    history: Tensor
    target: Tensor | None
    covariates: Covariates | None
    index: Tensor
    lags: Tensor | None = None
    noise: Tensor | None = None
    night: Tensor | None = None
    classes: Tensor | None = None
    lag_classes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.history)

    @property
    def history_mask(self) -> Tensor:
        """(B, T, C, H, W): True where the history holds a value."""
        return ~torch.isnan(self.history)

    @property
    def target_mask(self) -> Tensor | None:
        """(B, T', C, H, W): True where the target holds a value."""
        return None if self.target is None else ~torch.isnan(self.target)

    def to(self, device: torch.device | str, non_blocking: bool | None = None) -> "Batch":
        """The batch on another device; without waiting for it, by default, if it is pinned."""
        no_wait = self.history.is_pinned() if non_blocking is None else non_blocking
        return self._map(lambda tensor: tensor.to(device, non_blocking=no_wait))

    def repeated(self, times: int) -> "Batch":
        """Each sample so many times, one after the other."""
        return self._map(lambda tensor: tensor.repeat_interleave(times, dim=0))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which copies to a GPU overlap with its work."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        def maybe(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else change(tensor)

        covariates = self.covariates
        if covariates is not None:
            covariates = replace(
                covariates,
                past=maybe(covariates.past),
                future=maybe(covariates.future),
                static=maybe(covariates.static),
            )
        return Batch(
            history=change(self.history),
            target=maybe(self.target),
            covariates=covariates,
            index=change(self.index),
            lags=maybe(self.lags),
            noise=maybe(self.noise),
            night=maybe(self.night),
            classes=maybe(self.classes),
            lag_classes=maybe(self.lag_classes),
        )


class Surroundings:
    """All that a model is told of a sample besides its history, for training and forecasts alike.

    Parameters
    ----------
    spec, frames, covariates:
        The windows, what reads the lagged frames, and the covariates.
    channels:
        The variables, of which those of daylight need to know the night.
    climatology:
        That of the run, if it has one.
    """

    def __init__(
        self,
        spec: WindowSpec,
        frames: FrameReader,
        covariates: CovariateSet,
        channels: Sequence[ChannelMeta] = (),
        climatology: Climatology | None = None,
    ) -> None:
        self.spec = spec
        self.frames = frames
        self.covariates = covariates
        self._sky = sky_of(frames.store, channels)
        self._classes: ClassIndex | None = None
        if climatology is not None and spec.needs_climatology:
            self._classes = ClassIndex(climatology, frames.store.axis, spec.horizon)

    def around(
        self,
        samples: NDArray[np.int64],
        history: Tensor,
        target: Tensor | None = None,
        ahead: int = 0,
    ) -> Batch:
        """The batch of samples (B, 2) with this history; all on the CPU but what is given.

        With ``ahead``, of the windows that lie so many steps after the samples, told no more than
        was known at the samples' initial times.
        """
        sequences, inits = samples[:, 0], samples[:, 1]
        lags = classes = lag_classes = None
        if self._classes is not None:
            window = np.arange(1 - self.spec.history, self.spec.horizon + 1)
            found = self._classes(inits[:, None] + ahead + window)
            classes = torch.from_numpy(found)
        if self.spec.lags:
            positions = lag_positions(self.spec, inits, ahead)
            fields = self.frames.gather(sequences, positions.reshape(len(samples), -1))
            lags = fields.view(*positions.shape, *fields.shape[2:])
            if self._classes is not None:
                lag_classes = torch.from_numpy(self._classes(positions))
        night = None
        if self._sky is not None:
            after = inits[:, None] + ahead + np.arange(1, self.spec.horizon + 1)
            dark = torch.from_numpy(self._sky.night(after.ravel()))
            night = dark.view(*after.shape, 1, *dark.shape[1:])
        return Batch(
            history=history,
            target=target,
            covariates=covariates_at(self.covariates, inits, self.frames.shape[2:], ahead),
            index=torch.from_numpy(samples),
            lags=lags,
            night=night,
            classes=classes,
            lag_classes=lag_classes,
        )


class WindowDataset(Dataset[Batch]):
    """The samples of one part of the record.

    Indexing with one number or with many gives a :class:`Batch`: samples are assembled together,
    not one by one.

    Parameters
    ----------
    store, spec:
        The data and the windows cut from it.
    samples:
        (n, 2) sequence and position of the initial time, or (n,) positions in the only sequence.
    frames:
        Reads the frames; shared by the datasets of a run, so that a record in memory is there once.
        By default they are read from the store as they are needed.
    target:
        Whether the batches have targets. Without, only the history need exist.
    climatology:
        That of the training period, where the windows need one.
    """

    fresh: ClassVar[bool] = False

    def __init__(
        self,
        store: TensorStore,
        spec: WindowSpec,
        samples: ArrayLike,
        frames: FrameReader | None = None,
        target: bool = True,
        climatology: Climatology | None = None,
    ) -> None:
        chosen = np.asarray(samples, np.int64)
        if chosen.ndim == 1:
            chosen = np.stack([np.zeros_like(chosen), chosen], axis=1)
        self.samples: NDArray[np.int64] = chosen
        self.spec = spec
        self.target = target
        self.frames: FrameReader = Frames(store, cache_bytes=0) if frames is None else frames
        covariates = CovariateSet.of(spec, store)
        self.surroundings = Surroundings(
            spec, self.frames, covariates, store.meta.channels, climatology
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int | ArrayLike) -> Batch:
        chosen = self.samples[np.atleast_1d(np.asarray(index, np.int64))]
        sequences, inits = chosen[:, 0], chosen[:, 1]
        history, horizon = self.spec.history, self.spec.horizon
        return self.surroundings.around(
            chosen,
            self.frames.windows(sequences, inits + 1 - history, history),
            self.frames.windows(sequences, inits + 1, horizon) if self.target else None,
        )

    def reading(self, frames: FrameReader) -> "WindowDataset":
        """The same samples, their frames read by something else."""
        other = copy(self)
        other.frames, other.surroundings = frames, copy(self.surroundings)
        other.surroundings.frames = frames
        return other


def covariates_at(
    covariates: CovariateSet, init_positions: ArrayLike, grid: tuple[int, int], ahead: int = 0
) -> Covariates | None:
    """What a model is told at some initial times (B,), on or beyond the axis; None if nothing.

    With ``ahead``, of the window that lies so many steps after them.
    """
    if not covariates.sources:
        return None
    inits = np.asarray(init_positions, np.int64)

    def tensor(kind: Kind) -> Tensor | None:
        values = covariates.values(kind, inits, ahead)
        if values is None:
            return None
        on_cells = torch.from_numpy(values)
        return on_cells if kind == "future" else on_cells.expand(*on_cells.shape[:-2], *grid)

    return Covariates(past=tensor("past"), future=tensor("future"), static=tensor("static"))


def sample_shape(store: TensorStore, spec: WindowSpec, missing: NDArray[np.bool_]) -> SampleShape:
    """Sizes of what a model is given.

    missing: (C,), which channels lack cells in the training period; their masks stand among the
    past channels.
    """
    _, channels, height, width = store.shape
    covariates = CovariateSet.of(spec, store)
    return SampleShape(
        in_steps=spec.history,
        out_steps=spec.horizon,
        channels=channels,
        height=height,
        width=width,
        past_channels=len(covariates.names("past")) + int(missing.sum()),
        # a frame and its mask for each lag, and what is usual: see Transform.inputs
        future_channels=len(covariates.names("future"))
        + len(spec.lags) * (channels + 1)
        + spec.tells_climatology * channels,
        static_channels=len(covariates.names("static")),
        periodic_x=store.grid.is_periodic,
        unit_range=_unit_range(store, spec),
    )


def _unit_range(store: TensorStore, spec: WindowSpec) -> bool:
    """Whether scaling brings the values into [0, 1], or leaves them there."""
    if spec.has_departures:
        return False
    return all(
        scaling == "minmax" or (scaling == "none" and _within_unit(channel))
        for scaling, channel in zip(spec.scalings(store.channels), store.meta.channels, strict=True)
    )


def _within_unit(channel: ChannelMeta) -> bool:
    low, high = channel.minimum, channel.maximum
    return low is not None and high is not None and low >= 0 and high <= 1
