"""SimVP: a spatial encoder, a translator in time, a spatial decoder, all of convolutions.

Gao, Tan, Wu, Li: SimVP: Simpler yet Better Video Prediction, CVPR 2022, arXiv:2206.05099.
Every switch of the paper's ablation is a setting, and so are the changes that OpenSTL made.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError
from stforecast.models.base import (
    Covariates,
    Forecaster,
    Sample,
    SampleShape,
    TrainingForward,
    Variants,
    history_frames,
    keyword_parameters,
    known_frames,
)
from stforecast.models.layers import (
    Activation,
    Conv2d,
    ConvTranspose2d,
    Norm,
    activation_layer,
    crop_from_multiple,
    norm_layer,
    pad_to_multiple,
    read_out,
)
from stforecast.models.linear_path import LinearPath
from stforecast.models.registry import register
from stforecast.models.settings import require, require_odd, suggestion
from stforecast.models.translators import TRANSLATORS

Upsampling = Literal["transposed", "pixel_shuffle"]
Skip = Literal["concatenate", "add", "none"]


class ConvSC(nn.Module):
    """Convolution, normalisation, activation: (B, C, H, W) -> (B, C', H/s, W/s), or H*s, W*s."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 1,
        upsampling: Upsampling | None = None,
        norm: Norm,
        activation: Activation,
        periodic_x: bool,
    ) -> None:
        super().__init__()
        # Batch norm takes out what a bias adds; group norm of several channels does not.
        bias = norm != "batch"
        self.conv: nn.Module
        if stride == 2 and upsampling == "transposed":
            self.conv = ConvTranspose2d(c_in, c_out, kernel, bias=bias, periodic_x=periodic_x)
        elif stride == 2 and upsampling == "pixel_shuffle":
            conv = Conv2d(c_in, 4 * c_out, kernel, bias=bias, periodic_x=periodic_x)
            self.conv = nn.Sequential(conv, nn.PixelShuffle(2))
        else:
            self.conv = Conv2d(c_in, c_out, kernel, stride=stride, bias=bias, periodic_x=periodic_x)
        self.norm = norm_layer(norm, c_out, groups=2)
        self.act = activation_layer(activation)

    def forward(self, x: Tensor) -> Tensor:
        # z_i = act(norm(conv(z_{i-1})))  (the decoder's with the transposed convolution)
        x = self.act(self.norm(self.conv(x)))
        return x


def strides(N_S: int) -> list[int]:
    """Every second layer of the encoder halves H and W; the decoder goes back the same way."""
    return [1 + i % 2 for i in range(N_S)]


class Encoder(nn.Module):
    """N_S layers, frame by frame: (B, C, H, W) -> (B, hid_S, h, w) and the first layer's output."""

    def __init__(self, c_in: int, hid_S: int, N_S: int, kernel: int, **layer: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ConvSC(hid_S if i else c_in, hid_S, kernel, stride=stride, **layer)
            for i, stride in enumerate(strides(N_S))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = x = self.layers[0](x)  # (B, hid_S, H, W)
        for layer in self.layers[1:]:
            x = layer(x)
        return x, skip


class Decoder(nn.Module):
    """N_S layers back to H x W; the skips join before the last: -> (B, hid_S, H, W)."""

    def __init__(
        self,
        hid_S: int,
        N_S: int,
        kernel: int,
        *,
        skip: Skip,
        joined: int,
        upsampling: Upsampling,
        **layer: Any,
    ) -> None:
        super().__init__()
        self.concatenate = skip != "add"
        last_in = (1 + joined) * hid_S if self.concatenate else hid_S
        self.layers = nn.ModuleList(
            ConvSC(
                hid_S if i < N_S - 1 else last_in,
                hid_S,
                kernel,
                stride=stride,
                upsampling=upsampling,
                **layer,
            )
            for i, stride in enumerate(reversed(strides(N_S)))
        )

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x)
        if self.concatenate:
            x = torch.cat((x, *skips), dim=1)  # (B, (1 + joined) hid_S, H, W)
        else:
            for skip in skips:
                x = x + skip
        x = self.layers[-1](x)
        return x


@register("simvp", paper="Gao et al., CVPR 2022, arXiv:2206.05099")
class SimVP(Forecaster):
    """SimVP (Gao et al. 2022).

    hid_S, N_S: width and depth of encoder and decoder; every second layer halves the grid.
    hid_T, N_T: width and depth of the translator (N_T units down and N_T up).
    translator: "inception" with incep_kernels, groups, translator_skips (the T-UNet); "gsta"
        (SimVP-V2) with attention_kernel, mlp_ratio, drop; "tau" with these, alpha and tau.
    spatial_skip: how the encoder's first features reach the decoder's last layer (the S-UNet);
        "concatenate" in the original, "add" in OpenSTL.
    spatio_kernel_enc, spatio_kernel_dec: kernels of encoder and decoder, odd.
    upsampling, activation: "transposed" and "leaky_relu" in the original, "pixel_shuffle" and
        "silu" in OpenSTL; the Inception units have leaky ReLU in both.
    norm: in encoder, decoder and Inception units. The paper's is "group": 2 groups in encoder
        and decoder, `groups` in the units. The other translators have batch norm.
    drop_path: probability of dropping one Inception branch, or one part of another translator's
        deepest block, for a whole sample.
    padding: "auto" goes round the globe where the grid does, "zeros" never.
    linear_path: a linear regression of each cell's own inputs is solved before the training, and
        the network learns what it leaves; not in the paper.

    With T' != T the skip's T frames are mixed into T' by learned weights, which begin by pairing
    the latest frames. Covariates known in advance pass through an encoder of their own; its output
    joins the translator's input and its first features the decoder's last layer.
    """

    variants = Variants("translator", TRANSLATORS)

    def __init__(
        self,
        shape: SampleShape,
        *,
        hid_S: int = 32,
        hid_T: int = 256,
        N_S: int = 2,
        N_T: int = 8,
        translator: str = "inception",
        spatial_skip: Skip = "concatenate",
        spatio_kernel_enc: int = 3,
        spatio_kernel_dec: int = 3,
        upsampling: Upsampling = "transposed",
        activation: Activation = "leaky_relu",
        norm: Norm = "group",
        drop_path: float = 0.0,
        padding: Literal["auto", "zeros"] = "auto",
        linear_path: bool = False,
        **translator_settings: Any,
    ) -> None:
        super().__init__(shape)
        for key, value in {"hid_S": hid_S, "hid_T": hid_T, "N_S": N_S, "N_T": N_T}.items():
            require(value >= 1, f"model.{key} is {value}; it must be 1 or more")
        require(
            norm != "group" or hid_S % 2 == 0, f"model.hid_S is {hid_S}; group norm needs it even"
        )
        require(0 <= drop_path < 1, f"model.drop_path is {drop_path}; it must be in [0, 1)")
        require_odd("spatio_kernel_enc", spatio_kernel_enc)
        require_odd("spatio_kernel_dec", spatio_kernel_dec)
        T, T_out = shape.in_steps, shape.out_steps
        self.periodic_x = shape.periodic_x and padding == "auto"
        self.multiple = 2 ** (N_S // 2)
        self.spatial_skip = spatial_skip
        layer = {"norm": norm, "activation": activation, "periodic_x": self.periodic_x}

        self.enc = Encoder(shape.frame_channels, hid_S, N_S, spatio_kernel_enc, **layer)
        latents, skips = T * hid_S, int(spatial_skip != "none")
        if shape.future_channels:
            self.enc_known = Encoder(shape.known_channels, hid_S, N_S, spatio_kernel_enc, **layer)
            latents, skips = latents + T_out * hid_S, skips + 1
        if spatial_skip != "none" and T_out != T:
            self.skip_mix = nn.Parameter(_latest_frames(T, T_out))
        self.hid = TRANSLATORS[translator](
            latents,
            T_out * hid_S,
            hid_T,
            N_T,
            norm,
            drop_path,
            self.periodic_x,
            **translator_settings,
        )
        self.dec = Decoder(
            hid_S,
            N_S,
            spatio_kernel_dec,
            skip=spatial_skip,
            joined=skips,
            upsampling=upsampling,
            **layer,
        )
        self.readout = nn.Conv2d(hid_S, shape.channels, 1)
        self.linear = LinearPath(shape) if linear_path else None

    @classmethod
    def setting_parameters(cls, given: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
        """The settings of SimVP and of the translator given."""
        own = keyword_parameters(cls.__init__)
        translator = given.get("translator", own["translator"].default)
        if translator not in TRANSLATORS:
            nearest = suggestion(str(translator), TRANSLATORS)
            raise ConfigError(f"there is no translator {translator}{nearest}")
        return own | keyword_parameters(TRANSLATORS[translator].__init__)

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        B, T, _, H, W = history.shape
        T_out = self.shape.out_steps
        x = history_frames(history, covariates, self.shape)
        z, skip = self._encode(self.enc, x)  # (B, T hid_S, h, w), (B, T, hid_S, H, W)
        skips = []
        if self.spatial_skip != "none":
            if T_out != T:
                skip = torch.einsum("ot,bt...->bo...", self.skip_mix.to(skip.dtype), skip)
            skips.append(skip.flatten(0, 1))  # (B T', hid_S, H, W)
        known = known_frames(history, covariates, self.shape)
        if known is not None:
            z_known, skip_known = self._encode(self.enc_known, known)
            z = torch.cat((z, z_known), dim=1)  # (B, (T+T') hid_S, h, w)
            skips.append(skip_known.flatten(0, 1))
        z = self.hid(z)  # (B, T' hid_S, h, w)
        z = z.unflatten(1, (T_out, -1)).flatten(0, 1)  # (B T', hid_S, h, w)
        y = self.dec(z, skips)  # (B T', hid_S, H, W)
        y = read_out(self.readout, y)  # (B T', C, H, W)
        y = crop_from_multiple(y, self.multiple, H, W)
        forecast: Tensor = y.unflatten(0, (B, T_out))  # (B, T', C, H, W)
        if self.linear is not None:
            forecast = self.linear(history, covariates) + self.linear.missed * forecast
        return forecast

    def prepare(self, samples: Iterable[Sample]) -> None:
        if self.linear is not None:
            self.linear.fit(samples)

    def training_forward(
        self,
        history: Tensor,
        target: Tensor,
        covariates: Covariates | None = None,
        *,
        valid: Tensor | None = None,
        step: int = 0,
        total_steps: int | None = None,
    ) -> TrainingForward:
        prediction = self(history, covariates)
        return TrainingForward(prediction, target, self.hid.losses(prediction, target, valid))

    def _encode(self, encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C, H, W) -> latent (B, T hid_S, h, w) and skip (B, T, hid_S, H, W)."""
        B, T = x.shape[:2]
        x = pad_to_multiple(x.flatten(0, 1), self.multiple, self.periodic_x)
        latent, skip = encoder(x)
        return latent.unflatten(0, (B, T)).flatten(1, 2), skip.unflatten(0, (B, T))


def _latest_frames(T: int, T_out: int) -> Tensor:
    """Weights (T', T) that pair the latest T' frames with the forecast's, the last one repeated."""
    latest = (torch.arange(T_out) + max(T - T_out, 0)).clamp(max=T - 1)
    return nn.functional.one_hot(latest, T).float()
