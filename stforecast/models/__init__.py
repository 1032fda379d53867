"""The systems that forecast. Each is one file; importing it here puts it into the registry."""

from stforecast.models import causal_lstm as _causal_lstm  # noqa: F401  (registers itself)
from stforecast.models import convlstm as _convlstm  # noqa: F401
from stforecast.models import crevnet as _crevnet  # noqa: F401
from stforecast.models import e3d_lstm as _e3d_lstm  # noqa: F401
from stforecast.models import mim as _mim  # noqa: F401
from stforecast.models import phydnet as _phydnet  # noqa: F401
from stforecast.models import predrnn as _predrnn  # noqa: F401
from stforecast.models import predrnn_v2 as _predrnn_v2  # noqa: F401
from stforecast.models import simvp as _simvp  # noqa: F401
from stforecast.models.base import Covariates, Forecaster, SampleShape, TrainingForward
from stforecast.models.published import from_published
from stforecast.models.registry import REGISTRY, create_model, register, split_variant, variants

__all__ = [
    "REGISTRY",
    "Covariates",
    "Forecaster",
    "SampleShape",
    "TrainingForward",
    "create_model",
    "from_published",
    "register",
    "split_variant",
    "variants",
]
