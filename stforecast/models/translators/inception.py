"""The Inception translator, the paper's own: a U-Net of units with several kernels each."""

import torch
from torch import Tensor, nn

from stforecast.models.layers import Conv2d, DropPath, Norm, activation_layer, norm_layer
from stforecast.models.settings import require, require_odd
from stforecast.models.translators.base import Translator


class InceptionUnit(nn.Module):
    """A 1x1 bottleneck, then grouped convolutions with several kernels, summed."""

    def __init__(
        self,
        c_in: int,
        c_hid: int,
        c_out: int,
        *,
        kernels: tuple[int, ...],
        groups: int,
        norm: Norm,
        drop_path: float,
        periodic_x: bool,
    ) -> None:
        super().__init__()
        # Groups that do not divide the widths are given up, as in the public code.
        groups = groups if c_hid % groups == 0 and c_out % groups == 0 else 1
        self.reduce = Conv2d(c_in, c_hid, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                Conv2d(
                    c_hid,
                    c_out,
                    kernel,
                    groups=groups,
                    bias=norm != "batch",
                    periodic_x=periodic_x,
                ),
                norm_layer(norm, c_out, groups),
                activation_layer("leaky_relu"),
            )
            for kernel in kernels
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        # z_j = sum over the kernels k of act(norm(groupconv_k(conv_1x1(z_{j-1}))))
        x = self.reduce(x)  # (B, c_hid, h, w)
        y: Tensor = self.drop_path(self.branches[0](x))  # (B, c_out, h, w)
        for branch in self.branches[1:]:
            y = y + self.drop_path(branch(x))
        return y


class InceptionTranslator(Translator):
    """The paper's translator, a U-Net over time stacked in the channels: N_T units down, N_T up.

    incep_kernels: kernels of a unit's branches. groups: groups of their convolutions and norms.
    translator_skips: whether a unit up is given the features of its unit down (the T-UNet).
    """

    paper = "Gao et al., CVPR 2022, arXiv:2206.05099"

    def __init__(
        self,
        c_in: int,
        c_out: int,
        hid_T: int,
        N_T: int,
        norm: Norm,
        drop_path: float,
        periodic_x: bool,
        *,
        incep_kernels: tuple[int, ...] = (3, 5, 7, 11),
        groups: int = 4,
        translator_skips: bool = True,
    ) -> None:
        super().__init__(c_in, c_out, hid_T, N_T, norm, drop_path, periodic_x)
        require(len(incep_kernels) > 0, "model.incep_kernels is empty; give one kernel or more")
        for kernel in incep_kernels:
            require_odd("incep_kernels", kernel)
        require(groups >= 1, f"model.groups is {groups}; it must be 1 or more")
        require(hid_T >= 2, f"model.hid_T is {hid_T}; the inception translator needs 2 or more")

        def unit(c_in: int, c_out: int) -> InceptionUnit:
            return InceptionUnit(
                c_in,
                hid_T // 2,
                c_out,
                kernels=incep_kernels,
                groups=groups,
                norm=norm,
                drop_path=drop_path,
                periodic_x=periodic_x,
            )

        self.skips = translator_skips
        up_in = 2 * hid_T if translator_skips else hid_T
        self.enc = nn.ModuleList(unit(hid_T if i else c_in, hid_T) for i in range(N_T))
        self.dec = nn.ModuleList(
            unit(up_in if i else hid_T, hid_T if i < N_T - 1 else c_out) for i in range(N_T)
        )

    def forward(self, z: Tensor) -> Tensor:
        skips = []
        for unit in self.enc:
            z = unit(z)  # (B, hid_T, h, w)
            skips.append(z)
        skips.pop()  # the deepest goes on by itself
        z = self.dec[0](z)
        for unit in self.dec[1:]:
            z = unit(torch.cat((z, skips.pop()), dim=1) if self.skips else z)
        return z
