"""What every translator of SimVP has in common."""

from torch import Tensor, nn

from stforecast.models.layers import Norm


class Translator(nn.Module):
    """From the latent history to the latent forecast: (B, c_in, h, w) -> (B, c_out, h, w).

    Time is stacked in the channels: T hid_S of them come in (and T' hid_S more of what is known in
    advance), and T' hid_S go out. A subclass takes the parameters below by position, and its own
    settings, keyword-only and with defaults; these become settings of the model.

    c_in, c_out: channels in and out.
    hid_T, N_T: width and depth.
    norm, drop_path, periodic_x: as SimVP has them.
    """

    paper: str

    def __init__(
        self,
        c_in: int,
        c_out: int,
        hid_T: int,
        N_T: int,
        norm: Norm,
        drop_path: float,
        periodic_x: bool,
    ) -> None:
        super().__init__()

    def losses(self, prediction: Tensor, target: Tensor, valid: Tensor | None) -> dict[str, Tensor]:
        """What the translator adds to the loss, by name.

        prediction, target: (B, T', C, H, W), normalised; missing cells of the target are filled.
        valid: where the target is known, or None where it is known everywhere.
        """
        return {}
