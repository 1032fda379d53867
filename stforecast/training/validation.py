"""Scores on the validation period: in normalised units to choose weights by, in physical units to
be read, and beside persistence on the very same cells."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from stforecast.training.distributed import Ranks
from stforecast.training.ensemble import folded, members_sum
from stforecast.training.losses import Pointwise, masked_sum
from stforecast.training.module import TrainingModule, autocast
from stforecast.windows import Batch, ResumableLoader


@dataclass(frozen=True)
class Scores:
    """What one pass over the validation windows gives, as :class:`Row` has it."""

    loss: float
    mse: float
    rmse: dict[str, float | None]
    persistence_rmse: dict[str, float | None]


class Validator:
    """Scores a model on the same windows again and again.

    Of a model that gives members the loss is their CRPS, and all else is of their mean.

    Args:
        loader: the validation windows, unshuffled, this process's share of them.
        channels: names of the variables.
        penalty: the training's own loss.
        dtype: of autocast; None for float32.
    """

    PROBE_BATCHES = 2

    def __init__(
        self,
        loader: ResumableLoader,
        channels: Sequence[str],
        penalty: Pointwise,
        dtype: torch.dtype | None,
        ranks: Ranks,
    ) -> None:
        self._loader = loader
        self._channels = list(channels)
        self._penalty = penalty
        self._dtype = dtype
        self._ranks = ranks

    def run(self, module: TrainingModule, stop: Callable[[], bool]) -> Scores | None:
        """The scores of the module as it is; None when `stop` said so on the way."""
        sums = self._sums(module, self._loader, stop)
        interrupted = self._ranks.totals([0.0 if sums is not None else 1.0])[0] > 0
        if interrupted or sums is None:
            return None
        return self._scores(self._ranks.total(sums))

    def probe(self, module: TrainingModule) -> float:
        """Seconds that a pass will take, from its first batches."""
        batches = iter(self._loader)
        start = monotonic()
        self._sums(module, islice(batches, 1), lambda: False)
        timed = min(self.PROBE_BATCHES, len(self._loader) - 1)
        if timed < 1:
            return monotonic() - start
        start = monotonic()  # the first batch is slow, and so not counted
        self._sums(module, islice(batches, timed), lambda: False)
        return (monotonic() - start) * len(self._loader) / timed

    def _sums(
        self, module: TrainingModule, batches: Iterable[Batch], stop: Callable[[], bool]
    ) -> Tensor | None:
        """Summed penalties, errors and cells (3 + 3·C,) in float64 on the CPU."""
        found = [torch.zeros(3 + 3 * len(self._channels))]
        module.eval()
        try:
            with torch.no_grad():
                for batch in batches:
                    if stop():
                        return None
                    found.append(self._batch_sums(module, batch))
        finally:
            module.train()
        return torch.stack([sums.cpu() for sums in found]).double().sum(dim=0)

    def _batch_sums(self, module: TrainingModule, batch: Batch) -> Tensor:
        batch = batch.to(module.device, non_blocking=True)
        assert batch.target is not None
        draws = module.draws
        seen = batch if draws is None else draws.fixed(batch)
        history, covariates, state = module.transform.inputs(seen)
        assert seen.target is not None
        target, valid = module.transform.encode_target(seen.target, state)
        with autocast(module.device, self._dtype):
            prediction = module.model(history, covariates)
        forecast = module.transform.decode(prediction, state)
        if draws is None:
            loss, cells = masked_sum(self._penalty, prediction, target, valid)
        else:
            loss, cells = members_sum(prediction, target, valid, draws.scored)
            prediction, forecast = (
                folded(values, draws.scored).float().mean(dim=1)
                for values in (prediction, forecast)
            )
            target, valid = (folded(values, draws.scored)[:, 0] for values in (target, valid))
        squares, _ = masked_sum(torch.square, prediction, target, valid)
        persistence = batch.history[:, -1:].expand_as(batch.target)
        scored = ~(batch.target.isnan() | forecast.isnan() | persistence.isnan())
        return torch.cat(
            [
                torch.stack([loss, squares, cells]),
                _squared_errors(forecast, batch.target, scored),
                _squared_errors(persistence, batch.target, scored),
                scored.float().sum(dim=(0, 1, 3, 4)),
            ]
        )

    def _scores(self, sums: Tensor) -> Scores:
        loss, squares, cells = sums[:3].tolist()
        model, persistence, counts = sums[3:].view(3, -1).tolist()
        return Scores(
            loss=loss / max(cells, 1),
            mse=squares / max(cells, 1),
            rmse=self._rmse(model, counts),
            persistence_rmse=self._rmse(persistence, counts),
        )

    def _rmse(self, squares: Sequence[float], counts: Sequence[float]) -> dict[str, float | None]:
        return {
            name: (square / count) ** 0.5 if count else None
            for name, square, count in zip(self._channels, squares, counts, strict=True)
        }


def _squared_errors(forecast: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Squared errors summed over all but the channels (C,)."""
    errors = torch.where(scored, forecast - target, 0.0)
    summed: Any = errors.square().sum(dim=(0, 1, 3, 4))
    return torch.as_tensor(summed)
