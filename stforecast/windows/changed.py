"""What is learned in place of values, of tensors; see :mod:`stforecast.windows.functions`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stforecast.windows.spec import Function

# Beyond it, exp - 1 of a float32 would be no number, which a wild forecast is not to become.
_LARGEST_LOG = 80.0


class Changed(nn.Module):
    """The functions of channels, and back: a module for the sake of ``.to(device)``.

    functions: one for each channel.
    """

    is_itself: Tensor
    is_sqrt: Tensor

    def __init__(self, functions: Sequence[Function]) -> None:
        super().__init__()
        self.kinds = set(functions)
        for kind, name in (("none", "is_itself"), ("sqrt", "is_sqrt")):
            chosen = torch.tensor([one == kind for one in functions])[:, None, None]
            self.register_buffer(name, chosen, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """What is learned in place of values (..., C, H, W)."""
        changed = values
        if "log1p" in self.kinds:
            changed = values.abs().log1p().copysign(values)
        if "sqrt" in self.kinds:
            root = values.abs().sqrt().copysign(values)
            changed = root if "log1p" not in self.kinds else self._of_each(root, changed)
        return self._or_itself(values, changed)

    def inverse(self, values: Tensor) -> Tensor:
        """The values (..., C, H, W) that the functions make these of."""
        changed = values
        if "log1p" in self.kinds:
            changed = values.abs().clamp(max=_LARGEST_LOG).expm1().copysign(values)
        if "sqrt" in self.kinds:
            square = values * values.abs()
            changed = square if "log1p" not in self.kinds else self._of_each(square, changed)
        return self._or_itself(values, changed)

    def _of_each(self, of_sqrt: Tensor, of_log: Tensor) -> Tensor:
        return torch.where(self.is_sqrt, of_sqrt, of_log)

    def _or_itself(self, values: Tensor, changed: Tensor) -> Tensor:
        return changed if "none" not in self.kinds else torch.where(self.is_itself, values, changed)
