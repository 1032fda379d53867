"""What is subtracted from the values of a window, and added back to its forecast."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stforecast.windows.spec import Departure


class Departures(nn.Module):
    """The references of channels: a module for the sake of ``.to(device)``.

    Parameters
    ----------
    kinds:
        One for each channel.
    mean:
        (C, 1, 1), of the training period, in place of a cell's own where it has none.
    offset:
        (C, 1, 1), what is subtracted without departures.
    climatology:
        (n, C, H, W), the usual fields, one for each class of times; None without.
    """

    mean: Tensor
    offset: Tensor
    is_plain: Tensor
    is_last: Tensor
    is_usual: Tensor
    climatology: Tensor | None

    def __init__(
        self,
        kinds: Sequence[Departure],
        mean: Tensor,
        offset: Tensor,
        climatology: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kinds = set(kinds)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        for kind, name in (
            ("none", "is_plain"),
            ("last_frame", "is_last"),
            ("climatology", "is_usual"),
        ):
            chosen = torch.tensor([one == kind for one in kinds])[:, None, None]
            self.register_buffer(name, chosen, persistent=False)
        self.register_buffer("climatology", climatology, persistent=False)

    def steady(self, history: Tensor, valid: Tensor) -> Tensor | None:
        """(B, 1, C, H, W): what is subtracted at all times of a sample, from its history."""
        reference: Tensor | None = None
        if "history_mean" in self.kinds:
            count = valid.sum(dim=1, keepdim=True)
            total = torch.where(valid, history, 0.0).sum(dim=1, keepdim=True)
            reference = torch.where(count > 0, total / count.clamp(min=1), self.mean)
        if "last_frame" in self.kinds:
            last = self.mean.expand_as(history[:, 0])
            for step in range(history.shape[1]):
                last = torch.where(valid[:, step], history[:, step], last)
            last = last.unsqueeze(1)
            reference = last if reference is None else torch.where(self.is_last, last, reference)
        return reference

    def reference(self, steady: Tensor | None, classes: Tensor | None) -> Tensor:
        """What is subtracted at times of these classes (..., N): (..., N or 1, C, H, W).

        (C, 1, 1) where no channel has departures.
        """
        reference = self.offset
        if steady is not None:
            reference = (
                steady
                if "none" not in self.kinds
                else torch.where(self.is_plain, reference, steady)
            )
        if "climatology" in self.kinds:
            assert self.climatology is not None
            if classes is None:
                raise ValueError("departures from a climatology need the classes of all times")
            usual = self.climatology[classes]
            if self.kinds == {"climatology"}:
                return usual
            reference = torch.where(self.is_usual, usual, reference)
        return reference
