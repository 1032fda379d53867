"""Forecasts of any length from a model of a fixed one."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from stforecast.windows.dataset import Batch
from stforecast.windows.transform import Transform


def rollout(
    model: nn.Module,
    transform: Transform,
    history: Tensor,
    window: Callable[[Tensor, int], Batch],
) -> Iterator[Tensor]:
    """Forecast shot after shot without end, each fed back as the history of the next.

    Args:
        model: forecasts T' frames from T, all normalised.
        transform: to what the model sees and back; departures are taken anew for each shot, and a
            cell without any history stays missing.
        history: (B, T, C, H, W) in physical units, NaN where missing.
        window: the samples made of such a history that lies so many steps after the first, with
            all else that is known of them at the initial times.

    Yields:
        (B, T', C, H, W) in physical units, NaN where missing.
    """
    length, ahead = history.shape[1], 0
    while True:
        normalised, known, state = transform.inputs(window(history, ahead))
        forecast = transform.decode(model(normalised, known), state)
        yield forecast
        history = torch.cat([history, forecast], dim=1)[:, -length:]
        ahead += forecast.shape[1]
