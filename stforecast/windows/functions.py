"""Functions of values that are learned in place of the values: counts and rain are skewed.

All keep the sign, so that they can be undone for every value: ``sign(x) log(1 + |x|)`` and
``sign(x) sqrt(|x|)``. Where values are never negative they are log1p and the square root.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.windows.spec import Function


def apply(values: NDArray[Any], functions: Sequence[Function]) -> NDArray[Any]:
    """The functions of values (..., C, H, W), one for each channel; NaN stays NaN."""
    if all(function == "none" for function in functions):
        return values
    result = np.array(values)
    for channel, function in enumerate(functions):
        result[..., channel, :, :] = of_values(result[..., channel, :, :], function)
    return result


def of_values(values: NDArray[Any], function: Function) -> NDArray[Any]:
    """One function of values of any shape."""
    if function == "log1p":
        return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
    if function == "sqrt":
        return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))
    return values
