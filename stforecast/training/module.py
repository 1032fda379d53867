"""What Lightning trains: a model, its loss, and its optimiser."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from stforecast.models import Forecaster
from stforecast.options import TrainingOptions
from stforecast.training.distributed import Ranks
from stforecast.training.ensemble import Draws, members_sum
from stforecast.training.health import Health
from stforecast.training.losses import Pointwise, masked_sum
from stforecast.training.mixing import LagMixing
from stforecast.training.schedules import Rate
from stforecast.windows import Batch, Transform


class TrainingModule(pl.LightningModule):
    """A forecaster under training.

    Samples come in physical units; the transform, part of the module so that it is on the same
    device, normalises them there. Its loss is the mean over all valid cells of the batch, of all
    processes together, plus the auxiliary losses that the model gives by name. With `draws` it
    forecasts each sample several times, and their CRPS takes the place of the penalty; `mixing`
    changes what it is shown.
    """

    def __init__(
        self,
        model: Forecaster,
        transform: Transform,
        options: TrainingOptions,
        penalty: Pointwise,
        *,
        fused: bool,
        scaled: bool,
        ranks: Ranks,
        draws: Draws | None = None,
        mixing: LagMixing | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.transform = transform
        self.options = options
        self.ranks = ranks
        self.draws = draws
        self.mixing = mixing
        self.health = Health(scaled)
        self.done_steps = 0
        self.total_steps: int | None = None
        self.sums: dict[str, Tensor] = {}  # of the losses by name since they were last taken
        self._penalty = penalty
        self._fused = fused
        self._loss: Tensor | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if self.mixing is not None:
            batch = self.mixing.mixed(batch)
        if self.draws is not None:
            batch = self.draws.drawn(batch)
        assert batch.target is not None
        history, covariates, state = self.transform.inputs(batch)
        target, valid = self.transform.encode_target(batch.target, state)
        forward = self.model.training_forward(
            history,
            target,
            covariates,
            valid=valid,
            step=self.done_steps,
            total_steps=self.total_steps,
        )
        shown = forward.prediction.shape[1] - valid.shape[1]
        if shown > 0:  # a recurrent system forecasts frames of the history too
            in_history = ~batch.history[:, -shown:].isnan() & state.known
            valid = torch.cat((in_history, valid), dim=1)
        total, count = self._compare(forward.prediction, forward.target, valid)
        # Gradients are averaged over the processes, whose batches may hold unlike numbers of cells.
        count = self.ranks.total(count) / self.ranks.world_size
        losses = {"prediction": total / count.clamp(min=1), **forward.losses}
        loss = torch.stack([value.float() for value in losses.values()]).sum()
        for name, value in losses.items():
            before = self.sums.get(name)
            self.sums[name] = value.detach() + (0 if before is None else before)
        self._loss = loss
        return loss

    def _compare(self, prediction: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The loss summed over the valid cells, and their number."""
        if self.draws is not None:
            return members_sum(prediction, target, valid, self.draws.members)
        return masked_sum(self._penalty, prediction, target, valid)

    def take_sums(self) -> dict[str, float]:
        """Sums of the losses by name since the last call."""
        sums = {name: float(value) for name, value in self.sums.items()}
        self.sums = {}
        return sums

    def configure_optimizers(self) -> Optimizer:
        options = self.options
        kind: Callable[..., Optimizer] = {
            "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW,
        }[options.optimizer]
        return kind(
            self.model.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=self._fused,
        )

    def set_rate(self, rate: Rate) -> None:
        """The learning rate, and the momentum if the schedule has one, of the next step."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate.learning_rate
            if rate.momentum is not None:
                group["betas"] = (rate.momentum, group["betas"][1])

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients' norm, and stop before a step that would spoil the weights."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.options.gradient_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(
                self.model.parameters(), self.options.gradient_clip, norm
            )
        assert self._loss is not None
        self.health.record(self.done_steps + 1, self._loss, norm)
        if self.device.type == "cpu":
            self.health.check()

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch.to(device, non_blocking=True)


def autocast(device: torch.device, dtype: torch.dtype | None) -> Any:
    """The context in which a model of this precision runs outside Lightning's own steps."""
    if dtype is None:
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=dtype, cache_enabled=False)
