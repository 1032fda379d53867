"""Numbers, times and terms as a reader who was not there meets them."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MINUS: Final = "\N{MINUS SIGN}"

PLAIN: Final = {
    "persistence": "the last observation, kept as it is",
    "history_mean": "the mean of the last few observations",
    "day_before": "the same hour of the day before",
    "week_before": "the same hour a week before",
    "climatology": "the usual value for the time of day and year",
    "hour_of_week": "the usual value for the hour of the week",
    "anomaly_persistence": "the usual value, plus the last departure from it",
    "linear": "a linear regression on the recent past",
}
"""References in a few words."""

TERMS: Final = {
    "lead time": "How far ahead a forecast looks: from its initial time to the time it is for.",
    "initial time": "The time of the last observation that a forecast was given.",
    "reference": "A forecast that is simple to make. A forecast worth having has smaller errors.",
    "RMSE": "Root mean square error, the size of a typical error with large ones counted more. In "
    "the unit of the variable; 0 is perfect.",
    "MAE": "Mean absolute error, the plain mean of the sizes of the errors. 0 is perfect.",
    "bias": "The mean of forecast minus observation. Above 0 the forecast is too high on average, "
    "below 0 too low.",
    "skill": "By what share the RMSE is smaller than that of a reference: 1 − RMSE / RMSE of the "
    "reference. 1 is perfect, 0 as good as the reference, below 0 worse.",
    "interval": "The range in which a number would be expected had other days of the same kind "
    "been scored. Where an interval of skill holds 0, the difference may be chance.",
    "CRPS": "Continuous ranked probability score, the error of a whole distribution; for a single "
    "forecast it is the MAE. 0 is perfect, in the unit of the variable.",
    "spread": "How far the members of an ensemble lie apart: their standard deviation.",
    "spread/error": "Spread divided by the RMSE of the ensemble mean. 1 says that the ensemble "
    "knows how wrong it will be; below 1 it is too sure of itself, above 1 not sure enough.",
    "coverage": "How often the observation lay within the interval that the forecast gave.",
    "interval width": "How wide the intervals of the forecast are on average; of two that cover as "
    "often, the narrower is the better.",
    "interval score": "Width of the intervals plus a penalty for what they miss. Smaller is "
    "better.",
    "anomaly correlation": "Correlation of the departures from the usual, of forecast and "
    "observation. 1 is perfect, 0 none.",
    "CSI": "Critical success index: of all cases forecast or observed at or above a threshold, the "
    "share that was both. 1 is perfect, 0 the worst.",
    "POD": "Probability of detection: of all cases observed at or above the threshold, the "
    "share that was forecast. 1 is perfect.",
    "FAR": "False alarm ratio: of all cases forecast at or above the threshold, the "
    "share that was not observed. 0 is perfect.",
    "frequency bias": "How often the threshold was reached in the forecast, over how often it was "
    "in the observations. 1 is perfect; below 1 it is forecast too rarely.",
    "FSS": "Fractions skill score: how well the share of cells at or above the threshold agrees in "
    "squares of a given size. 1 is perfect, 0 the worst.",
    "reliability": "Whether what is forecast with some probability happens as often. A reliable "
    "forecast lies on the diagonal.",
    "rank histogram": "How often the observation fell between each pair of neighbouring members. "
    "Flat is right; high at both ends, too sure; high in the middle, not sure enough; sloped, "
    "biased.",
    "spectrum": "How much variation there is at each size of pattern. A forecast below the "
    "observations at small sizes is blurred.",
    "WAPE": "Sum of the absolute errors over the sum of the observations, in per cent.",
    "MAPE": "Mean of absolute error over observation, in per cent, where observations exceed a "
    "stated threshold.",
}


def spoken(name: str) -> str:
    """A name of the program as words: ``hour_of_week`` as hour of week."""
    return name.replace("_", " ")


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with a true minus sign and a thin gap in long ones; a dash for none."""
    if not np.isfinite(value):
        return "–"
    sign = "+" if signed else ""
    text = f"{value:{sign},.{decimals}f}" if decimals <= 6 else f"{value:{sign}.3e}"
    if not float(text.replace(",", "")):
        text = text.lstrip("+-")  # neither too high nor too low
    return text.replace("-", MINUS).replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(value: int) -> str:
    """A count with its thousands apart."""
    return number(float(value), 0)


def per_cent(part: float, decimals: int | None = None) -> str:
    """A share as per cent, whole but with one decimal below two by default; a dash for none."""
    if not np.isfinite(part):
        return number(part, 0)
    size = 100 * abs(part)
    if decimals is None:
        decimals = 1 if 0 < size < 1.95 else 0
    return f"{size:.{decimals}f}\N{NO-BREAK SPACE}%"


def capital(text: str) -> str:
    """Text that begins a sentence."""
    return text[:1].upper() + text[1:]


def between(low: str, high: str) -> str:
    """``0.5 to 0.6``, or one of them where they are the same."""
    return low if low == high else f"{low} to {high}"


def joined(items: Sequence[str], word: str = "and") -> str:
    """``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def lead_phrase(leads: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    """Which lead times: ``at 1 h, and from 3 h to 6 h ahead``, ``at every lead time``."""
    if chosen.all():
        return "at every lead time" if len(leads) > 1 else "over all lead times"
    parts = []
    start: int | None = None
    for at in range(len(leads) + 1):
        inside = at < len(leads) and bool(chosen[at])
        if inside and start is None:
            start = at
        elif not inside and start is not None:
            few = at - start < 3
            parts += (
                [f"at {joined(leads[start:at])}"]
                if few
                else [f"from {leads[start]} to {leads[at - 1]}"]
            )
            start = None
    return f"{joined(parts)} ahead"


def unit_words(unit: str) -> str:
    """A unit with true exponents; empty for pure numbers."""
    if unit.strip() in ("", "1"):
        return ""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return re.sub(
        r"\b([A-Za-z]+)(?:\*\*|\^)?(-?\d+)\b",
        lambda match: match[1] + match[2].translate(raised),
        unit.strip(),
    )


def with_unit(text: str, unit: str) -> str:
    """A number and its unit."""
    return f"{text} {unit_words(unit)}".rstrip()
