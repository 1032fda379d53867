"""PredRNN-V2: PredRNN whose two memories are made to learn different things.

Wang, Wu, Zhang, Gao, Wang, Yu, Long: PredRNN: A Recurrent Neural Network for Spatiotemporal
Predictive Learning, TPAMI 2022, arXiv:2103.09504. New are the decoupling loss (section 3.3) and
reverse scheduled sampling (section 3.4); a forecast is made as PredRNN makes it.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from stforecast.models.base import SampleShape
from stforecast.models.layers import read_out
from stforecast.models.predrnn import PredRNN
from stforecast.models.recurrent import Losses
from stforecast.models.registry import register
from stforecast.models.sampling import SamplingKind
from stforecast.models.settings import require


@register("predrnn_v2", paper="Wang et al., TPAMI 2022, arXiv:2103.09504")
class PredRNNV2(PredRNN):
    """PredRNN-V2 (Wang et al. 2022).

    hidden, patch_size, filter_size: see :class:`PredRNN`.
    decoupling: weight of the decoupling loss, the mean over layers, steps and channels of
        :func:`overlap`; 0 leaves it out.
    sampling, sampling_begin: see :class:`RecurrentForecaster`; by default the published schedule.
    """

    def __init__(
        self,
        shape: SampleShape,
        *,
        hidden: tuple[int, ...] = (128, 128, 128, 128),
        patch_size: int = 2,
        filter_size: int = 5,
        decoupling: float = 0.1,
        sampling: SamplingKind = "reverse",
        sampling_begin: float = 0.2,
        **loop: Any,
    ) -> None:
        super().__init__(
            shape,
            hidden=hidden,
            patch_size=patch_size,
            filter_size=filter_size,
            sampling=sampling,
            sampling_begin=sampling_begin,
            **loop,
        )
        require(decoupling >= 0, f"model.decoupling is {decoupling:g}; it cannot be negative")
        self.decoupling = decoupling
        if decoupling > 0:
            # W_decouple, one of all layers, for the loss alone
            self.adapter = nn.Conv2d(hidden[0], hidden[0], 1, bias=False)

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        layers, M = state
        after = []
        for cell, (H, C) in zip(self.cells, layers, strict=True):
            x, C, M, delta_C, delta_M = cell(x, H, C, M)
            after.append((x, C))
            if losses is not None and self.decoupling > 0:
                # of Delta C = W_decouple (i g) and Delta M = W_decouple (i' g')
                loss = self.decoupling * overlap(self.adapter(delta_C), self.adapter(delta_M))
                losses.setdefault("decoupling", []).append(loss)
        return read_out(self.readout, x), (after, M)


def overlap(delta_C: Tensor, delta_M: Tensor) -> Tensor:
    """How alike, up to the sign, the fields of two (B, n, h, w) are: 0 orthogonal to 1 alike."""
    delta_C, delta_M = (
        functional.normalize(delta.float().flatten(2), dim=2) for delta in (delta_C, delta_M)
    )  # (B, n, h w)
    # for each channel |<Delta C, Delta M>| / (||Delta C|| ||Delta M||)
    return (delta_C * delta_M).sum(dim=2).abs().mean()
