"""Reading the sizes of a system from its weights, and loading these under their public names."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError, DataError

_MANY = 12
_WRAPPERS = ("module.", "model.", "_orig_mod.")  # of DataParallel, Lightning and torch.compile


def without_prefix(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers put in front of every name, in any order and number."""
    plain = {name: torch.as_tensor(value) for name, value in weights.items()}
    while plain and (prefix := next(iter(plain)).partition(".")[0] + ".") in _WRAPPERS:
        if not all(name.startswith(prefix) for name in plain):
            break
        plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def kernels(
    weights: Mapping[str, Tensor], pattern: str, dims: int = 2
) -> list[tuple[int, int, int, int]]:
    """Shapes (out, in, rows, columns) of the convolutions whose whole name matches a pattern.

    dims: of the convolutions, 2 or 3.
    """
    found = [value.shape for name, value in weights.items() if re.fullmatch(pattern, name)]
    return [(s[0], s[1], s[-2], s[-1]) for s in found if len(s) == 2 + dims]


def position_grid(weights: Mapping[str, Tensor], pattern: str, ndim: int) -> tuple[int, int]:
    """Rows and columns of the parameters that know the grid, by their whole name; else 1 and 1."""
    found = [value.shape for name, value in weights.items() if re.fullmatch(pattern, name)]
    grids = [shape[-2:] for shape in found if len(shape) == ndim]
    rows, columns = (most_common(grid[axis] for grid in grids) for axis in (0, 1))
    return rows or 1, columns or 1


def count(weights: Mapping[str, Tensor], pattern: str) -> int | None:
    """How many layers there are: one more than the highest number in the pattern's group."""
    found = [match.group(1) for name in weights if (match := re.match(pattern, name))]
    return max(map(int, found)) + 1 if found else None


def most_common(values: Iterable[int]) -> int | None:
    """The value most weights agree on, so that one wrong weight is the one that is named."""
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else None


def size(spec: Mapping[str, Any], key: str, inferred: int | None) -> int:
    """A size of the spec, else as inferred from the weights."""
    value = spec.get(key, inferred)
    if value is None:
        raise ConfigError(f"the spec has no {key}, and the weights do not tell it")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{key} of the spec is {value!r}; it must be a whole number of 1 or more")
    return value


def load(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    public_name: Callable[[str], str],
    ignored: Collection[str] = (),
    public_shape: Callable[[str, torch.Size], Collection[int]] = lambda name, shape: shape,
) -> None:
    """Fill a model's parameters from weights under public names.

    ignored: patterns of weights that the public code holds but never uses.
    public_shape: the shape under a public name of a parameter of a shape. Where it is another, the
        parameter is the first of the public weight's values: it may have fewer outputs.
    """
    own = model.state_dict()
    public = {public_name(name): name for name in own}
    shapes = {name: tuple(public_shape(name, own[ours].shape)) for name, ours in public.items()}
    missing = [name for name in public if name not in weights]
    unknown = [
        name
        for name in weights
        if name not in public and not any(re.fullmatch(pattern, name) for pattern in ignored)
    ]
    wrong = [
        f"{name} {tuple(weights[name].shape)} for {shape}"
        for name, shape in shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    faults = {"missing": missing, "unknown": unknown, "of a wrong shape": wrong}
    if any(faults.values()):
        told = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        raise DataError(f"the weights do not fit the spec: {told}")
    values = {ours: weights[name].to(own[ours].dtype) for name, ours in public.items()}
    model.load_state_dict(
        {
            ours: value.flatten()[: own[ours].numel()].reshape(own[ours].shape)
            for ours, value in values.items()
        }
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


class Rolled(nn.Module):
    """As many frames as asked for from a model that gives as many as it takes.

    Too many are cut off at the end; for more, the forecast is fed back as history.
    """

    def __init__(self, model: nn.Module, out_steps: int) -> None:
        super().__init__()
        self.model = model
        self.out_steps = out_steps

    def forward(self, history: Tensor) -> Tensor:
        steps = history.shape[1]
        forecasts = []
        for _ in range(-(-self.out_steps // steps)):
            history = self.model(history)
            forecasts.append(history)
        return torch.cat(forecasts, dim=1)[:, : self.out_steps]
