"""Going on with a run: only with the experiment it was started with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stforecast.errors import RunError
from stforecast.options import BUDGETS, TrainingOptions
from stforecast.training.budget import (
    Budget,
    StepBudget,
    TimeBudget,
    parse_duration,
)
from stforecast.training.counters import Counters
from stforecast.training.schedules import OPEN_ENDED
from stforecast.windows import WindowSpec

DEFAULT_EPOCHS = 50

# Options that change how fast a run goes, or on what, but not what it is.
FREE = frozenset({"device", "workers", "memory_limit", "compile"})


def what_matters(
    model: Mapping[str, Any],
    windows: Mapping[str, Any],
    splits: Mapping[str, Any],
    training: TrainingOptions,
) -> dict[str, Any]:
    """What a resumed run must share with the run it goes on with: plain values by section."""
    options = training.model_dump(mode="json", exclude={*FREE, *BUDGETS})
    sections = {
        "model": model,
        "windows": windows,
        "data.split": splits,
        "training": options,
        "budget": describe_budget(training),
    }
    plain: dict[str, Any] = _plain(sections)
    return plain


def comparable(spec: WindowSpec) -> dict[str, Any]:
    """The windows as what a resumed run must share: files may lie elsewhere by then.

    What the run was told of its covariates is on its card, and stays as it is.
    """
    values = spec.to_json()
    del values["told"]
    for item in values["covariates"]:
        for options in (item, item.get("holidays", {})):
            if "file" in options:
                options["file"] = Path(options["file"]).name
    return values


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first option that has changed and how, in words; None if none has, budgets aside."""
    for section, options in now.items():
        if section == "budget":  # may grow, see check_budget
            continue
        others = before.get(section, {})
        if section == "windows" and others:  # an older run had no options that are new since
            others = {**_defaults(), **others}
        for name in [*options, *(name for name in others if name not in options)]:
            old, new = others.get(name), options.get(name)
            if old != new:
                return f"{section}.{name} was {_shown(old)} and is now {_shown(new)}"
    return None


def _defaults() -> dict[str, Any]:
    """The windows that every run has had, from before they could be chosen."""
    plain = comparable(WindowSpec(1, 1))
    return {name: plain[name] for name in ("lags", "function", "climatology", "tells_climatology")}


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """RunError naming the first option that has changed, budgets aside."""
    changed = difference(before, now)
    if changed is not None:
        raise RunError(
            f"the run cannot go on with another experiment: {changed}; set it back, or train a new "
            "run (--replace)"
        )


def check_budget(before: Mapping[str, Any], options: TrainingOptions, finished: bool) -> None:
    """RunError where the budget cannot be what it is now."""
    old, new = before["budget"], describe_budget(options)
    if old == new and finished:
        hint = (
            "give a larger budget to go on"
            if options.schedule in OPEN_ENDED
            else "train a new run (--replace) for more"
        )
        raise RunError(f"the run is finished, so there is nothing to resume; {hint}")
    if old != new and options.schedule not in OPEN_ENDED:
        raise RunError(
            f"the budget was {budget_words(old)} and is now {budget_words(new)}, but the "
            f"learning rate of schedule {options.schedule} anneals over the budget it was started "
            "with; keep the budget, or train a new run (--replace)"
        )


def make_budget(options: TrainingOptions, steps_per_epoch: int) -> Budget:
    """The budget asked for, of several what ends first; fifty epochs if none is."""
    steps = options.max_steps
    if options.max_epochs is not None:
        steps = options.max_epochs * steps_per_epoch
    if options.max_time is not None:
        return TimeBudget(parse_duration(options.max_time), options.validations, steps)
    if steps is None:
        steps = DEFAULT_EPOCHS * steps_per_epoch
    return StepBudget(steps, options.validations)


def load_budget(budget: Budget, state: Mapping[str, Any], counters: Counters) -> None:
    """Let a budget go on from the state of the same one, or of a shorter one.

    `counters` are those of the state; where the budget has changed, so has the progress that they
    have come to.
    """
    step = counters.step
    if isinstance(budget, StepBudget):
        changed = state.get("steps") != budget.steps
    elif changed := "seconds" not in state:  # it was one in steps
        pass
    elif isinstance(budget, TimeBudget):
        budget.load_state_dict(dict(state))
        changed = (state["seconds"], state.get("most_steps")) != (
            budget.seconds,
            budget.most_steps,
        )
        if changed:
            budget.extend(step, counters.elapsed)
    if changed:
        counters.validated = budget.progress(step)
    if changed and budget.done(step):
        raise RunError(
            f"the budget is used up: {step} steps are done in {counters.elapsed:.0f} s; give a "
            "larger one to go on"
        )


def describe_budget(options: TrainingOptions) -> dict[str, Any]:
    """The budget asked for, by its names, for the card."""
    given = {name: getattr(options, name) for name in BUDGETS}
    chosen = {name: value for name, value in given.items() if value is not None}
    return chosen or {"max_epochs": DEFAULT_EPOCHS}


def budget_words(budget: Mapping[str, Any]) -> str:
    """A budget as an experiment file has it."""
    return ", ".join(f"{name} {value}" for name, value in budget.items())


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)


def _plain(value: Any) -> Any:
    """Mappings as dicts and sequences as lists, so that what is saved equals what is loaded."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
