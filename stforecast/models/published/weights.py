"""Reading the sizes of a system from its weights, and loading these under their public names."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError, DataError

_MANY = 12


def without_prefix(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers put in front of every name (``module.``, ``model.``)."""
    plain = {name: torch.as_tensor(value) for name, value in weights.items()}
    for prefix in ("module.", "model.", "module."):
        if plain and all(name.startswith(prefix) for name in plain):
            plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def kernels(weights: Mapping[str, Tensor], pattern: str) -> list[tuple[int, int, int, int]]:
    """Shapes (out, in, rows, columns) of the convolutions whose whole name matches a pattern."""
    found = [value.shape for name, value in weights.items() if re.fullmatch(pattern, name)]
    return [(s[0], s[1], s[2], s[3]) for s in found if len(s) == 4]


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
) -> None:
    """Fill a model's parameters from weights under public names.

    ignored: patterns of weights that the public code holds but never uses.
    """
    own = model.state_dict()
    public = {public_name(name): name for name in own}
    missing = [name for name in public if name not in weights]
    unknown = [
        name
        for name in weights
        if name not in public and not any(re.fullmatch(pattern, name) for pattern in ignored)
    ]
    wrong = [
        f"{name} {tuple(weights[name].shape)} for {tuple(own[ours].shape)}"
        for name, ours in public.items()
        if name in weights and weights[name].shape != own[ours].shape
    ]
    faults = {"missing": missing, "unknown": unknown, "of a wrong shape": wrong}
    if any(faults.values()):
        told = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        raise DataError(f"the weights do not fit the spec: {told}")
    model.load_state_dict(
        {ours: weights[name].to(own[ours].dtype) for name, ours in public.items()}
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
