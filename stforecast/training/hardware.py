"""Which device trains, in which precision: chosen, checked, and said in one line."""

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from stforecast.errors import RunError
from stforecast.options import TrainingOptions

DeviceName = Literal["cuda", "mps", "cpu"]
PrecisionName = Literal["float32", "bf16", "float16"]


@dataclass(frozen=True)
class Hardware:
    """What trains: `devices` processes, each with a device of this kind."""

    device: DeviceName
    precision: PrecisionName
    devices: int = 1
    name: str = "CPU"

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The type of matrix products and convolutions, where it is not float32."""
        return {"float32": None, "bf16": torch.bfloat16, "float16": torch.float16}[self.precision]

    def describe_device(self) -> str:
        """The devices in words."""
        number = f"{self.devices} × " if self.devices > 1 else ""
        kind = "" if self.name.upper() == self.device.upper() else f" ({self.name})"
        return f"{number}{self.device}{kind}"

    def describe(self) -> str:
        """One line for the user."""
        return f"training on {self.describe_device()} in {self.precision}"


# Grids below this many cells train faster in float32 on CPUs, even on those that have bf16.
CELLS_FOR_BF16_ON_CPU = 512


def choose_hardware(options: TrainingOptions, cells: int) -> Hardware:
    """The device and precision asked for, or the best there is for a grid of so many cells.

    Raises:
        RunError: what was asked for by name is not there; nothing else is taken in its place.
    """
    device = _choose_device(options.device)
    available = torch.cuda.device_count() if device == "cuda" else os.cpu_count() or 1
    if device == "mps":
        available = 1
    if options.devices > available:
        raise RunError(
            f"training.devices is {options.devices}, but there are {available} of {device} here"
        )
    return Hardware(
        device=device,
        precision=_choose_precision(options.precision, device, cells),
        devices=options.devices,
        name=torch.cuda.get_device_name() if device == "cuda" else device.upper(),
    )


def _choose_device(asked: str) -> DeviceName:
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if asked == "cuda":
        if not cuda:
            built = torch.backends.cuda.is_built()
            why = "no NVIDIA GPU is found" if built else "this PyTorch is built without CUDA"
            raise RunError(f"training.device is cuda, but {why}; use device: auto or cpu")
        return "cuda"
    if asked == "mps":
        if not mps:
            raise RunError(
                "training.device is mps, but there is no Apple GPU here; use device: auto or cpu"
            )
        return "mps"
    return "cpu"


def _choose_precision(asked: str, device: DeviceName, cells: int) -> PrecisionName:
    if asked == "auto":
        return "bf16" if _bf16_is_fast(device, cells) else "float32"
    if asked == "bf16":
        if device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise RunError(
                f"training.precision is bf16, which {torch.cuda.get_device_name()} does not have; "
                "use float16 or float32"
            )
        return "bf16"
    if asked == "float16":
        if device != "cuda":
            raise RunError(
                f"training.precision is float16, which needs a CUDA GPU, not {device}; "
                "use auto or float32"
            )
        return "float16"
    return "float32"


def _bf16_is_fast(device: DeviceName, cells: int) -> bool:
    """Whether bf16 autocast is faster than float32 on this device."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", dict)  # older versions cannot tell
        found: dict[str, Any] = ask()
        has_bf16 = any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))
        return has_bf16 and cells >= CELLS_FOR_BF16_ON_CPU
    return False


def lay_out_kernels(model: nn.Module, device: DeviceName) -> None:
    """Kernels of convolutions as the device reads them fastest; their values stay the same."""
    if device == "mps":
        return
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
