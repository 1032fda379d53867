"""Options of the model and of its training."""

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from stforecast.options.base import Options
from stforecast.options.storage import Size

# Options of a training that say how long it goes on: a number of steps, a time, or both.
BUDGETS: Final = ("max_epochs", "max_steps", "max_time")

Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "float32", "bf16", "float16"]


class ModelOptions(Options):
    """A system by its name; every further key is one of that system's own settings.

    A variant of a system is named after a colon: ``simvp:tau``.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(
        "simvp", description="name in the registry of models, such as convlstm or simvp:tau"
    )
    preset: str | None = Field(None, description="published settings, as in configs/model/")

    @property
    def settings(self) -> dict[str, Any]:
        """The system's own settings as given, without name and preset."""
        return dict(self.model_extra or {})


class ComparedOptions(Options):
    """One model of `stforecast compare`: what differs from the experiment.

    Its name in the section is its label. Settings of the experiment's own system hold for it too
    where it is the same system; another one starts from its defaults, or from its preset.
    """

    model: dict[str, Any] = Field(
        default_factory=dict,
        description="name (by default the label), preset and settings, as in the section model",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="as in the section training; the budget and the seeds are the same for all",
    )

    @model_validator(mode="after")
    def _same_for_all(self) -> "ComparedOptions":
        for name in (*BUDGETS, "seed"):
            if name in self.training:
                raise ValueError(
                    f"training.{name} is the same for all models of a comparison; give it in the "
                    "section training"
                )
        return self


class TrainingOptions(Options):
    """How a model is trained. The budget is passes or steps, or a time, or what ends first."""

    max_epochs: int | None = Field(None, ge=1, description="budget in passes over the data")
    max_steps: int | None = Field(None, ge=1, description="budget in optimiser steps")
    max_time: str | None = Field(
        None,
        description="budget in time (10min), turned into steps by timing the first ones; beside "
        "max_epochs or max_steps, what ends first, so that a short record is not learned by heart",
    )
    batch_size: int = Field(16, ge=1, description="samples of one step, of all devices together")
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["onecycle", "cosine", "constant"] = "onecycle"
    warmup: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="part of the budget in which the learning rate rises; a constant one does not",
    )
    loss: Literal["auto", "mse", "mae", "mse+mae", "huber", "crps"] = Field(
        "auto",
        description="auto: the one that the model was published with; crps trains a model of any "
        "system that gives as many members as are asked for, told noise",
    )
    members: int | None = Field(
        None,
        ge=2,
        description="with loss crps: forecasts of each sample in training, 2 by default; each "
        "costs as much as a further sample",
    )
    noise: int | None = Field(
        None,
        ge=2,
        description="with loss crps: channels of noise, 8 by default, half of them the same in all "
        "cells",
    )
    lag_mixing: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the training windows that are drawn towards the frames of one of "
        "windows.lags before them, by a part drawn at random: days more like the day before than a "
        "short record has",
    )
    gradient_clip: float | None = Field(1.0, gt=0, description="largest norm; null for none")
    early_stopping: int | None = Field(
        None, ge=1, description="validations without a better score; for a constant schedule only"
    )
    validations: int = Field(
        20,
        ge=1,
        description="how often within the budget to validate; at least once, at its end",
    )
    precision: Precision = Field(
        "auto", description="auto: bf16 where the hardware has it and is faster for it"
    )
    device: Device = "auto"
    devices: int = Field(1, ge=1, description="processes, each with a device of its own")
    workers: int = Field(
        0,
        ge=0,
        description="processes that load data, 0 loads in the main one; of a record that is larger "
        "than memory_limit, threads, at least two",
    )
    memory_limit: Size | None = Field(
        None,
        description="memory that data may take in each process, such as 8GB: a record up to this "
        "size is held whole, a larger one is read in shuffled blocks; by default 2 GiB, or a "
        "quarter of the machine's memory",
    )
    compile: bool = Field(False, description="compile the model with torch.compile")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainingOptions":
        if self.max_epochs is not None and self.max_steps is not None:
            raise ValueError(
                "max_epochs and max_steps are given; the budget is one of them, or max_time, or "
                "max_time and one of them"
            )
        for name in ("members", "noise"):
            if getattr(self, name) is not None and self.loss != "crps":
                raise ValueError(f"{name} needs loss: crps; other losses are of single forecasts")
        if self.early_stopping is not None and self.schedule != "constant":
            raise ValueError(
                "early_stopping needs schedule: constant; "
                f"{self.schedule} anneals to the end of the budget"
            )
        return self
