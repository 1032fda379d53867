"""Statistics of a training period: what normalises a run's data, now and for ever after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import RunError
from stforecast.windows.functions import of_values
from stforecast.windows.spec import Function

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per channel, over the training period's cells that hold a value; float64 arrays (C,).

    Attributes
    ----------
    mean, std, minimum, maximum, count:
        In the units of the channel; std with denominator n.
    missing:
        Whether a present time of the training period lacks cells of this channel.
    function_mean, function_std:
        Mean and std of what ``windows.function`` makes of the values; None without functions.
    departure_scale:
        Root mean square of the departures ``target - reference`` over the training windows, None
        without departures. About zero and not about their mean, so that a steady trend has a scale.
        After the functions, and 1 for a channel that is learned as it is.
    """

    mean: Floats
    std: Floats
    minimum: Floats
    maximum: Floats
    count: NDArray[np.int64]
    missing: NDArray[np.bool_]
    departure_scale: Floats | None = None
    function_mean: Floats | None = None
    function_std: Floats | None = None

    def after(self, functions: Sequence[Function]) -> "Statistics":
        """The statistics of what functions, one for each channel, make of the values.

        RunError where they were not taken of it.
        """
        if all(function == "none" for function in functions):
            return self
        if self.function_mean is None or self.function_std is None:
            raise RunError("the run has no statistics after windows.function; train it again")
        ends = [
            np.array([of_values(value, one) for value, one in zip(end, functions, strict=True)])
            for end in (self.minimum, self.maximum)
        ]
        return replace(
            self,
            mean=self.function_mean,
            std=self.function_std,
            minimum=ends[0],
            maximum=ends[1],
            function_mean=None,
            function_std=None,
        )

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(C,): the channel has one value, up to float32; it is then shifted and not scaled."""
        largest = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return np.asarray(self.std <= np.finfo(np.float32).eps * largest)

    @property
    def scale(self) -> Floats:
        """(C,): what the channels are divided by, the std or 1 where a channel is constant."""
        return np.where(self.constant, 1.0, self.std)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the card of a run."""
        optional = {"departure_scale": self.departure_scale}
        if self.function_mean is not None:
            optional |= {"function_mean": self.function_mean, "function_std": self.function_std}
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
            "count": self.count.tolist(),
            "missing": self.missing.tolist(),
            **{
                name: None if values is None else values.tolist()
                for name, values in optional.items()
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Statistics":
        """Inverse of :meth:`to_json`; RunError when a value is missing or wrong."""
        try:
            departure = values["departure_scale"]
            learned = [values.get("function_mean"), values.get("function_std")]
            mean, std = (None if one is None else np.asarray(one, np.float64) for one in learned)
            found = cls(
                mean=np.asarray(values["mean"], np.float64),
                std=np.asarray(values["std"], np.float64),
                minimum=np.asarray(values["minimum"], np.float64),
                maximum=np.asarray(values["maximum"], np.float64),
                count=np.asarray(values["count"], np.int64),
                missing=np.asarray(values["missing"], np.bool_),
                departure_scale=None if departure is None else np.asarray(departure, np.float64),
                function_mean=mean,
                function_std=std,
            )
            arrays = [array for array in vars(found).values() if array is not None]
            if {array.shape for array in arrays} != {(arrays[0].size,)}:
                raise ValueError("its channels do not have one value each")
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"the card of the run is damaged in its statistics ({error}); train the run again"
            ) from error
        return found
