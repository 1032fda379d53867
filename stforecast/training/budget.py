"""How long to train: a number of steps, or a time that is turned into one, or what ends first.

A budget maps the steps of the optimiser to a progress in [0, 1], by which learning rates anneal
and validations fall due. A budget in steps maps them once and for all. A budget in time times the
first steps, plans, and corrects the plan as it goes: what changes is only how much progress one
of the steps still to come makes, so that the progress never jumps and always ends at one.
"""

import math
import re
from typing import Any, Protocol

from stforecast.errors import ConfigError

_UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(sec|s|min|h|d)", re.IGNORECASE)


def parse_duration(text: str, what: str = "training.max_time") -> float:
    """Seconds of a duration such as ``90s``, ``10min``, ``1h30min`` or ``2d``.

    ConfigError, naming `what` it is, for anything else.
    """
    rest = text.strip()
    seconds = 0.0
    while match := _DURATION.match(rest):
        seconds += float(match[1]) * _UNITS[match[2].lower()]
        rest = rest[match.end() :].strip()
    if rest or seconds <= 0:
        raise ConfigError(f"{what} is {text!r}; write a duration such as 90s, 10min or 1h30min")
    return seconds


class Budget(Protocol):
    """What the training loop asks of a budget."""

    validations: int  # how many fall due within the whole budget

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole budget; None while a time is not yet turned into steps."""

    def progress(self, step: int) -> float:
        """The part of the budget that is used after `step` steps."""

    def done(self, step: int) -> bool:
        """Whether `step` steps use the budget up."""

    def start(self, step: int, stepping: float) -> None:
        """A session begins at `step`, with `stepping` seconds spent on steps before."""

    def stepped(self, step: int, elapsed: float, stepping: float) -> None:
        """Step `step` is taken, after `elapsed` seconds in all, `stepping` of them on steps."""

    def validation_costs(self, seconds: float) -> None:
        """A validation took so long, or will, with all that is written after it."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know: plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""


class StepBudget:
    """A number of steps."""

    def __init__(self, steps: int, validations: int) -> None:
        self.steps = steps
        self.validations = min(validations, steps)

    @property
    def total_steps(self) -> int | None:
        return self.steps

    def progress(self, step: int) -> float:
        return min(step / self.steps, 1.0)

    def done(self, step: int) -> bool:
        return step >= self.steps

    def start(self, step: int, stepping: float) -> None:
        pass

    def stepped(self, step: int, elapsed: float, stepping: float) -> None:
        pass

    def validation_costs(self, seconds: float) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class TimeBudget:
    """A time in seconds, steps and validations together.

    The first steps are not timed (they compile, allocate and fill caches), unless they are long;
    a few more are, and make the plan. Until then the progress is zero. The plan is mended each
    fiftieth of the way. With `most_steps` no plan is longer than these.
    """

    UNTIMED_STEPS = 3
    TIMED_STEPS = 5
    TIMED_PART = 0.01  # of the time, at least, before the first plan, unless …
    EARLY_PART = 0.05  # … so much of it is gone, and a step was timed …
    LATEST_PART = 0.5  # … or so much, and only the first step was taken
    VALIDATION_PART = 0.25  # of the time, at most, for validations
    PLANS = 50

    def __init__(self, seconds: float, validations: int, most_steps: int | None = None) -> None:
        self.seconds = seconds
        self.most_steps = most_steps
        if most_steps is not None:
            validations = min(validations, most_steps)
        self.validations = validations
        self.validation_seconds = 0.0
        self._wanted = validations
        self.step_seconds: float | None = None
        self._total: int | None = None
        self._anchor = (0, 0.0)  # a step and its progress; from there to 1 in equal steps
        self._window = (0, 0.0)  # a step and the seconds on steps by then: measured from here
        self._first = 0
        self._next_plan = 0.0

    @property
    def total_steps(self) -> int | None:
        return self._total

    def progress(self, step: int) -> float:
        if self._total is None:
            return 0.0
        if step >= self._total:
            return 1.0
        anchor_step, anchor_progress = self._anchor
        if step <= anchor_step:  # how it was mapped before is not kept
            return anchor_progress
        part = (step - anchor_step) / (self._total - anchor_step)
        return anchor_progress + (1 - anchor_progress) * part

    def done(self, step: int) -> bool:
        return step == self.most_steps or (self._total is not None and step >= self._total)

    def start(self, step: int, stepping: float) -> None:
        self._first = step
        self._window = (step, stepping)

    def stepped(self, step: int, elapsed: float, stepping: float) -> None:
        if self._total is None:
            taken = step - self._first
            if taken <= 1 or taken == self.UNTIMED_STEPS:
                self._window = (step, stepping)
            timed = step - self._window[0]
            if (
                (timed >= self.TIMED_STEPS and elapsed >= self.TIMED_PART * self.seconds)
                or (timed >= 1 and elapsed >= self.EARLY_PART * self.seconds)
                or elapsed >= self.LATEST_PART * self.seconds
                or (timed >= 1 and self._is_short(step))
            ):
                self._measure(step, stepping)
                self._plan(step, elapsed)
        elif self.progress(step) >= self._next_plan and not self.done(step):
            self._measure(step, stepping)
            self._plan(step, elapsed)

    def validation_costs(self, seconds: float) -> None:
        self.validation_seconds = seconds
        self._next_plan = 0.0  # with the next step

    def extend(self, step: int, elapsed: float) -> None:
        """Plan anew after a state of a shorter budget: by `step`, `elapsed` seconds are used."""
        if self._total is not None:
            self._total = None
            self._plan(step, elapsed)

    def _is_short(self, step: int) -> bool:
        """Whether all steps would be taken before there is a plan by the time alone."""
        return self.most_steps is not None and step >= self.EARLY_PART * self.most_steps

    def _measure(self, step: int, stepping: float) -> None:
        window_step, window_stepping = self._window
        if step > window_step:
            measured = (stepping - window_stepping) / (step - window_step)
        else:  # the time is all but gone before a single step was timed
            measured = stepping / max(step, 1)
        # Half and half with what was measured before: one slow moment does not rule the plan.
        before = self.step_seconds
        self.step_seconds = measured if before is None else (before + measured) / 2
        self._window = (step, stepping)

    def _plan(self, step: int, elapsed: float) -> None:
        assert self.step_seconds is not None
        left = max(self.seconds - elapsed, 0.0)
        first_plan = self._total is None
        progress = 0.0 if first_plan else self.progress(step)
        self.validations = self._affordable()
        validations = math.ceil(self.validations * (1 - progress) - 1e-9)
        left -= validations * self.validation_seconds
        steps = max(int(left / max(self.step_seconds, 1e-9)), 0)
        self._total = step + steps
        if self.most_steps is not None:
            self._total = min(self._total, max(self.most_steps, step))
            steps = self._total - step
        if steps and first_plan:
            progress = step / self._total
        self._anchor = (step, progress)
        self._next_plan = progress + 1 / self.PLANS

    def _affordable(self) -> int:
        """Validations that cost no more than their part of the time; two where that is too few.

        A first guess of the cost may be far too high, and only a validation in between shows it.
        """
        seconds = self.validation_seconds
        if self._wanted * seconds <= self.VALIDATION_PART * self.seconds:
            return self._wanted
        fewest = 2 if seconds <= self.VALIDATION_PART * self.seconds else 1
        return max(fewest, int(self.VALIDATION_PART * self.seconds / seconds))

    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "most_steps": self.most_steps,
            "validations": self.validations,
            "validation_seconds": self.validation_seconds,
            "step_seconds": self.step_seconds,
            "total": self._total,
            "anchor": list(self._anchor),
            "next_plan": self._next_plan,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.validations = int(state["validations"])
        self.validation_seconds = float(state["validation_seconds"])
        self.step_seconds = state["step_seconds"]
        self._total = state["total"]
        anchor_step, anchor_progress = state["anchor"]
        self._anchor = (int(anchor_step), float(anchor_progress))
        self._next_plan = float(state["next_plan"])


def validation_is_due(budget: Budget, step: int, validated: float) -> bool:
    """Whether a validation is due after `step`; the last one was at the progress `validated`.

    They fall due evenly along the progress, the last of them at the end.
    """
    behind = int(validated * budget.validations + 1e-9)
    return budget.progress(step) * budget.validations >= min(behind + 1, budget.validations) - 1e-9
