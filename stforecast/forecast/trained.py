"""A trained run as a model ready to forecast."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stforecast.card import BEST_WEIGHTS, STEP, RunCard
from stforecast.errors import ConfigError, RunError
from stforecast.folders import repair
from stforecast.models import Forecaster, SampleShape, create_model
from stforecast.options import CovariateOptions, Device, Precision
from stforecast.options.covariates import moved
from stforecast.windows.climatology import Climatology, read_climatology
from stforecast.windows.covariates import Given
from stforecast.windows.noise import Noise
from stforecast.windows.spec import WindowSpec
from stforecast.windows.transform import Transform

# How often a run is read again that is saved while it is read; saves are seconds apart.
_LOOKS = 5
_DTYPES = {"bf16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A run's card and its model, in evaluation mode on a device."""

    card: RunCard
    module: Forecaster
    transform: Transform
    spec: WindowSpec
    device: torch.device
    climatology: Climatology | None = None
    given: tuple[Given, ...] = ()
    """New values of covariates that come from files."""

    def told(
        self, given: Sequence[Given] = (), covariates: Sequence[CovariateOptions] = ()
    ) -> "TrainedModel":
        """The same, told more when it forecasts.

        Args:
            given: new values of covariates that come from files.
            covariates: those of an experiment, which may know where these files lie by now.
        """
        spec = replace(self.spec, covariates=tuple(moved(self.spec.covariates, covariates)))
        return replace(self, spec=spec, given=(*self.given, *given))

    @property
    def noise(self) -> Noise | None:
        """What it is told so that its forecasts differ; None where it gives but one."""
        noise = self.card.noise
        return None if noise is None else Noise(noise.uniform, noise.local)

    def precision(self, asked: Precision = "auto") -> Literal["float32", "bf16", "float16"]:
        """The precision of a forecast: on a GPU that of the training, elsewhere float32.

        RunError for float16 on a CPU, which lacks its operations.
        """
        if asked == "auto":
            trained = self.card.precision
            if self.device.type != "cuda" or trained not in ("bf16", "float16"):
                return "float32"
            if trained == "bf16":
                return "bf16" if torch.cuda.is_bf16_supported() else "float32"
            return "float16"
        if asked == "float16" and self.device.type == "cpu":
            raise RunError("float16 forecasts need a GPU; choose float32 or bf16 on this CPU")
        return asked

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """The context in which the model computes in a precision."""
        dtype = _DTYPES.get(precision)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)


def load_trained(folder: str | Path, device: Device = "auto") -> TrainedModel:
    """The model of a run's folder, from its card and its weights alone.

    Raises:
        RunError: the folder is no run, its weights are missing, damaged or another model's, or the
            device asked for is not there.
    """
    folder = Path(folder)
    target = _device(device)
    card, weights = _of_one_save(folder)
    module = _module(card, folder)
    _load_weights(module, weights, folder / BEST_WEIGHTS)
    kept = card.climatology
    climatology = None if kept is None else read_climatology(folder, kept)
    transform = Transform.from_card(card, climatology)
    if transform.mask_channels > module.shape.past_channels:
        raise RunError(
            f"the card in {folder} contradicts itself (shape and statistics); train the run again"
        )
    module.eval().requires_grad_(False)
    module.to(target)
    if target.type != "mps":
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    spec = WindowSpec.from_json(card.windows)
    return TrainedModel(card, module, transform.to(target), spec, target, climatology)


def _module(card: RunCard, folder: Path) -> Forecaster:
    known = {field.name for field in fields(SampleShape)}
    try:
        shape = SampleShape(**{key: card.shape[key] for key in card.shape if key in known})
        return create_model(card.model.name, shape, **card.model.settings)
    except (ConfigError, TypeError) as error:
        raise RunError(
            f"the model of the run in {folder} cannot be made ({error}); use the stforecast that "
            f"trained it ({card.versions.get('stforecast', 'another version')}), or train it again"
        ) from error


def _of_one_save(folder: Path) -> tuple[RunCard, dict[str, Tensor]]:
    """Card and weights, also of a run that is being trained and is saved between the two."""
    for _ in range(_LOOKS):
        card = RunCard.read(folder)
        weights, step = _weights(card, folder)
        if step is None or step == card.training.best_step:
            return card, weights
    raise RunError(
        f"the weights in {folder} are of step {step} and its card is of other ones, of step "
        f"{card.training.best_step}: the folder was not copied as one; copy it again, or train the "
        "run again"
    )


def _weights(card: RunCard, folder: Path) -> tuple[dict[str, Tensor], int | None]:
    """Weights, and the step that they are of where they know it."""
    path = folder / BEST_WEIGHTS
    repair(folder)
    if not path.exists():
        words = "is not finished" if not card.training.finished else "has lost its weights"
        raise RunError(f"the run in {folder} {words}: {BEST_WEIGHTS} is missing; train it again")
    try:
        with safe_open(path, framework="pt") as file:
            step = (file.metadata() or {}).get(STEP)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"the weights {path} cannot be read ({error}); train the run again"
        ) from error
    return weights, int(step) if step is not None and step.isdigit() else None


def _load_weights(module: Forecaster, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load them all, each in its place; RunError names the first that does not fit."""
    expected = module.state_dict()
    problem = None
    for name, tensor in expected.items():
        if name not in weights:
            problem = f"{name} is missing"
        elif weights[name].shape != tensor.shape:
            sizes = [" × ".join(map(str, part.shape)) for part in (weights[name], tensor)]
            problem = f"{name} has the size {sizes[0]} where the model has {sizes[1]}"
        if problem is not None:
            break
    else:
        strange = [name for name in weights if name not in expected]
        if strange:
            problem = f"the model has no {strange[0]}"
    if problem is not None:
        raise RunError(
            f"the weights {path} are not those of the model on the card: {problem}; train the run "
            "again"
        )
    module.load_state_dict(weights)


def _device(asked: str) -> torch.device:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if asked not in ("cuda", "mps", "cpu"):
        raise RunError(f"there is no device {asked!r}; choose auto, cuda, mps or cpu")
    if (asked == "cuda" and not cuda) or (asked == "mps" and not mps):
        what = "NVIDIA GPU that this PyTorch can use" if asked == "cuda" else "Apple GPU"
        raise RunError(f"there is no {what} for device {asked}; choose auto or cpu")
    return torch.device(asked)
