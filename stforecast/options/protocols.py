"""The terms of published comparisons, as ordinary options.

See ``docs/protocols.md`` for what each of them is taken from, and for what it cannot be.
"""

from typing import Any, Final, Literal

ProtocolName = Literal[
    "openstl",
    "openstl:taxibj",
    "openstl:moving_mnist",
    "openstl:weather",
    "deepst",
    "deepst:taxibj",
    "deepst:bikenyc",
]

Tree = dict[str, dict[str, Any]]

# Counts on a grid: both channels scaled as one, days that are not whole left out.
_COUNTS: Final[dict[str, Any]] = {
    "departure": "none",
    "scale_together": True,
    "complete_days": True,
}
_PUBLIC_SSIM: Final[dict[str, Any]] = {"ssim_window": "uniform", "ssim_range": 2.0}
_UNWEIGHTED: Final[dict[str, Any]] = {"area_weighted": False, "every": 1}
_FRAMES: Final = ("mse_per_frame", "mae_per_frame", "ssim", "psnr")

_DEEPST: Final[Tree] = {
    "windows": {**_COUNTS, "scaling": "minmax_symmetric"},
    "verification": _UNWEIGHTED,
}
_OPENSTL_COUNTS: Final[Tree] = {
    "data": {"split": {"test": "last 500 windows"}},
    "windows": {**_COUNTS, "scaling": "minmax"},
    "verification": {**_UNWEIGHTED, **_PUBLIC_SSIM},
}
_OPENSTL_VIDEOS: Final[Tree] = {
    "windows": {"departure": "none", "scaling": "none", "complete_days": False},
    "verification": {**_UNWEIGHTED, **_PUBLIC_SSIM},
}

FIXED: Final[dict[str, Tree]] = {
    "openstl:taxibj": _OPENSTL_COUNTS,
    "openstl:moving_mnist": _OPENSTL_VIDEOS,
    "openstl:weather": {
        "data": {
            "split": {
                "train": ["2010", "2015"],
                "validation": ["2016", "2016"],
                "test": ["2017", "2018"],
            }
        },
        "windows": {
            "departure": "none",
            "scaling": "standard",
            "scale_together": False,
            "complete_days": False,
        },
        "verification": _UNWEIGHTED,
    },
    "deepst:taxibj": {**_DEEPST, "data": {"split": {"test": "last 28D"}}},
    "deepst:bikenyc": {**_DEEPST, "data": {"split": {"test": "last 10D"}}},
}
"""What each protocol fixes, by section: another value is a contradiction."""

METRICS: Final[dict[str, tuple[str, ...]]] = {
    "openstl:taxibj": _FRAMES,
    "openstl:moving_mnist": _FRAMES,
    "openstl:weather": ("mse",),
    "deepst:taxibj": (),
    "deepst:bikenyc": (),
}
"""What each protocol tells besides RMSE and MAE."""


def benchmark(protocol: str, videos: bool = False) -> str:
    """The protocol with its benchmark: that of TaxiBJ, or of Moving MNIST, where none is named."""
    if ":" in protocol:
        return protocol
    return f"{protocol}:{'moving_mnist' if videos and protocol == 'openstl' else 'taxibj'}"
