"""What else is asked of scores, beyond metrics and groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stforecast.errors import ConfigError
from stforecast.options import VerificationOptions
from stforecast.options.evaluation import Region
from stforecast.verification.metrics import DEFAULT, EVENT_METRICS, METRICS

DIAGNOSTICS = ("rank_histogram", "reliability", "spectrum", "error_maps", "cases")
# References that say what is usual, the better one first.
CLIMATOLOGIES = ("climatology", "hour_of_week")

_OF_ENSEMBLES = ("spread", "spread_error")
_OF_INTERVALS = ("coverage", "interval_width", "interval_score")
# Shown by themselves where a forecast has what they need, and nothing else is asked for.
_BY_MEMBERS = ("crps", "spread_error")
_BY_BOUNDS = ("coverage", "interval_width")
_BY_THRESHOLDS = ("csi", "pod", "far", "frequency_bias")


@dataclass(frozen=True)
class Details:
    """Intervals, events, regions, samples and diagnostics, as in the options of verification."""

    interval: float = 0.9
    mape_threshold: float = 1.0
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fss_scales: Sequence[int] = (3,)
    regions: Mapping[str, Region] = field(default_factory=dict)
    bootstrap: int = 1000
    diagnostics: Sequence[str] = ()

    @classmethod
    def of(cls, options: VerificationOptions) -> "Details":
        """Those of an experiment."""
        return cls(
            options.interval,
            options.mape_threshold,
            options.thresholds,
            options.fss_scales,
            options.regions,
            options.bootstrap,
            options.diagnostics,
        )

    def check(
        self, metrics: Sequence[str], systems: Sequence[str], members: int, bounds: bool
    ) -> None:
        """ConfigError where metrics or diagnostics lack what they need.

        ``members``: the most that a forecast has, 1 for none; ``bounds``: whether one has any.
        """
        for name in self.diagnostics:
            if name not in DIAGNOSTICS:
                raise ConfigError(
                    f"there is no diagnostic {name!r}; there are {', '.join(DIAGNOSTICS)}"
                )
        for name in (*metrics, *self.diagnostics):
            if name in (*EVENT_METRICS, "reliability") and not self.thresholds:
                raise ConfigError(
                    f"{name} needs thresholds; give verification.thresholds, such as "
                    "{variable: [1, 10]}"
                )
            if name in (*_OF_ENSEMBLES, "rank_histogram", "reliability") and members < 2:
                raise ConfigError(
                    f"{name} needs a forecast with members; make one with --members, or leave it "
                    "out of verification"
                )
            if name in _OF_INTERVALS and members < 2 and not bounds:
                raise ConfigError(
                    f"{name} needs a forecast with members or with bounds of intervals; make one "
                    "with --members or --interval, or leave it out of verification.metrics"
                )
        if "acc" in metrics and not any(name in systems for name in CLIMATOLOGIES):
            raise ConfigError(
                "acc needs the climatology; add climatology or hour_of_week to "
                "verification.references"
            )

    def shown(self, metrics: Sequence[str], members: int, bounds: bool) -> list[str]:
        """The metrics asked for, and those that go without saying."""
        wanted = set(metrics)
        if tuple(metrics) == DEFAULT:
            wanted |= set(_BY_MEMBERS if members > 1 else ())
            wanted |= set(_BY_BOUNDS if bounds else ())
        if self.thresholds and not wanted & set(EVENT_METRICS):
            wanted |= set(_BY_THRESHOLDS)
        return [name for name in METRICS if name in wanted]
