"""The comparison as people read it: on the terminal, and as Markdown for a document."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from stforecast import names
from stforecast.comparison.campaign import Campaign
from stforecast.comparison.results import (
    ALL,
    MODEL,
    OVER_LEADS,
    SEED,
    mean_of,
    ranking,
    shown_variables,
    spread_of,
)
from stforecast.verification.metrics import METRICS, shown_metrics
from stforecast.verification.text import are_durations, lead_texts

# More lead times than these are left to the CSV file.
_MOST_LEADS = 4
_NARROW = {
    "parameters": "para-\nmeters",
    "multiply-adds": "multiply-\nadds",
    "time of a step": "time of\na step",
    "skill vs persistence": "skill vs\npersis-\ntence",
    "skill vs climatology": "skill vs\nclima-\ntology",
}
_NAMES = 18  # of the models, in letters, before they are broken
_SKILLS = ("persistence", "climatology")


@dataclass
class _Grid:
    """A table as text: headers, rows of the models, rows of the references."""

    title: str
    headers: list[str]
    models: list[list[str]] = field(default_factory=list)
    references: list[list[str]] = field(default_factory=list)


def comparison_table(result: xr.Dataset) -> "ComparisonTable":
    """The comparison for a terminal: print it with rich."""
    return ComparisonTable(result)


@dataclass(frozen=True)
class ComparisonTable:
    """A comparison that shows as many lead times as there is room for."""

    result: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for variable in shown_variables(self.result):
            for leads in range(_MOST_LEADS, -1, -1):
                table = _table(_scores_and_costs(self.result, variable, leads))
                if console.measure(table, options=options.update(max_width=1000)).maximum <= (
                    options.max_width
                ):
                    break
            yield table
        for line in notes(self.result):
            yield Text(line, style="dim")


def campaign_table(campaign: Campaign) -> Group:
    """What is to be trained, for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right", no_wrap=True)
    seeds = list(dict.fromkeys(run.seed for run in campaign.runs))
    for seed in seeds:
        table.add_column(f"seed {seed}", no_wrap=True)
    for label, costs in campaign.costs.items():
        runs = [run for run in campaign.runs if run.contender.label == label]
        table.add_row(
            _label(label, runs[0].contender.words),
            count_text(costs.parameters),
            count_text(costs.multiply_adds),
            *(run.status.value for run in runs),
        )
    return Group(table, Text(f"{campaign.describe()}."))


def comparison_markdown(result: xr.Dataset) -> str:
    """The same as Markdown, and the RMSE of each variable where those above are of all together."""
    lines: list[str] = []
    grids = [_scores_and_costs(result, variable) for variable in shown_variables(result)]
    for grid in [*grids, *_by_variable(result)]:
        headers = grid.headers
        lines += [f"**{grid.title}**", "", _line(headers)]
        lines.append("|" + "|".join("---" if not n else "---:" for n in range(len(headers))) + "|")
        lines += [_line(row) for row in [*grid.models, *grid.references]]
        lines.append("")
    return "\n".join([*lines, *(f"{line}\n" for line in notes(result))])


def notes(result: xr.Dataset) -> list[str]:
    """What the numbers are, and what failed."""
    seeds = [str(seed) for seed in result[SEED].values]
    spread = (
        f"mean ± standard deviation over the seeds {', '.join(seeds)}"
        if len(seeds) > 1
        else f"seed {seeds[0]}"
    )
    lines = [
        f"{spread}; {result.attrs['budget']}, {result.attrs['device']}; "
        f"{result.attrs['period']}; averaged {result.attrs['averaging']}."
    ]
    for label in result[MODEL].values:
        for seed in result[SEED].values:
            failure = result["failure"].sel({MODEL: label, SEED: seed}).item()
            if failure:
                lines.append(f"{label}, seed {seed} failed: {failure}.")
    return lines


def count_text(number: float) -> str:
    """A large number to three digits: 58.0 M, 3.61 G."""
    if not np.isfinite(number):
        return "–"
    for unit in ("", " k", " M", " G", " T"):
        # 999.6 would be shown as 1000
        if abs(number) < 999.5 or unit == " T":
            break
        number /= 1000
    return f"{number:.0f}" if not unit else f"{number:#.3g}{unit}".replace(". ", " ")


def seconds_text(seconds: float) -> str:
    """A short time to three digits."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 0.9995:
        return f"{seconds * 1000:#.3g} ms".replace(". ", " ")
    return f"{seconds:#.3g} s".replace(". ", " ")


def _table(grid: _Grid) -> Table:
    table = Table(
        title=grid.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for number, header in enumerate(grid.headers):
        narrow = _NARROW.get(header, header.replace("RMSE ", "RMSE\n"))
        table.add_column(narrow, justify="right" if number else "left", no_wrap=number > 0)
    table.columns[0].min_width = _NAMES
    for row in grid.models:
        table.add_row(*row)
    table.add_section()
    for row in grid.references:
        table.add_row(*row)
    return table


def _scores_and_costs(result: xr.Dataset, variable: str, most_leads: int = _MOST_LEADS) -> _Grid:
    one = result.sel({names.VARIABLE: variable})
    leads = _leads(result, most_leads)
    skills = [name for name in _SKILLS if name in _references(result)]
    further = [name for name in shown_metrics(result) if name not in ("rmse", "bias")]
    texts = lead_texts(result[names.LEAD_TIME])
    if not are_durations(result[names.LEAD_TIME]):
        texts = [f"lead {text}" for text in texts]
    grid = _Grid(
        f"{variable_words(result, variable)}: RMSE on the test period, and costs",
        [
            "model",
            "parameters",
            "multiply-adds",
            "steps",
            "time of a step",
            *(f"RMSE {texts[lead]}" for lead in leads),
            "RMSE all leads",
            *(METRICS[name].title for name in further),
            *(f"skill vs {name}" for name in skills),
        ],
    )
    places = _decimals(one["rmse"].values, one["reference_rmse"].values)
    digits = {
        name: _decimals(*(one[f"{prefix}{name}"].values for prefix in ("", "reference_")))
        for name in further
    }
    for label in ranking(result):
        here = one.sel({MODEL: label})
        rmse = here["rmse"]
        grid.models.append(
            [
                _label(label, here["words"].item()),
                count_text(float(here["parameters"])),
                count_text(float(here["multiply_adds"])),
                _number(mean_of(here["steps"].values), 0),
                seconds_text(mean_of(here["step_seconds"].values)),
                *(
                    _number(mean_of(rmse.isel({names.LEAD_TIME: lead}).values), places)
                    for lead in leads
                ),
                _with_spread(here[f"rmse{OVER_LEADS}"].values, places),
                *(
                    _number(mean_of(here[f"{name}{OVER_LEADS}"].values), digits[name])
                    for name in further
                ),
                *(
                    _skill(mean_of(here[f"skill{OVER_LEADS}"].sel({names.REFERENCE: name}).values))
                    for name in skills
                ),
            ]
        )
    for reference in _references(result):
        here = one.sel({names.REFERENCE: reference})
        rmse = here["reference_rmse"]
        grid.references.append(
            [
                _words(reference),
                *("",) * 4,
                *(_number(float(rmse.isel({names.LEAD_TIME: lead})), places) for lead in leads),
                _number(float(here[f"reference_rmse{OVER_LEADS}"]), places),
                *(
                    _number(float(here[f"reference_{name}{OVER_LEADS}"]), digits[name])
                    for name in further
                ),
                *("",) * len(skills),
            ]
        )
    return grid


def _by_variable(result: xr.Dataset) -> list[_Grid]:
    """RMSE over all lead times of each variable, where another table has them all together."""
    variables = [str(name) for name in result[names.VARIABLE].values]
    if shown_variables(result) == variables:
        return []
    errors = result[f"rmse{OVER_LEADS}"]
    references = result[f"reference_rmse{OVER_LEADS}"]
    places = _decimals(errors.values, references.values)
    units = result["variable_units"].values[0]
    grid = _Grid(f"RMSE of each variable ({units}), all lead times", ["model", *variables])
    for label in ranking(result):
        values = [errors.sel({MODEL: label, names.VARIABLE: name}).values for name in variables]
        grid.models.append([label, *(_with_spread(value, places) for value in values)])
    for reference in _references(result):
        found = references.sel({names.REFERENCE: reference}).values.tolist()
        grid.references.append([_words(reference), *(_number(value, places) for value in found)])
    return [grid]


def _leads(result: xr.Dataset, most: int) -> list[int]:
    """Lead times to show, by their number: all, or a few from the first to the last."""
    size = result.sizes[names.LEAD_TIME]
    chosen = np.linspace(0, size - 1, min(size, most)).round().astype(int)
    return [int(number) for number in np.unique(chosen)]


def _references(result: xr.Dataset) -> list[str]:
    return [str(name) for name in result[names.REFERENCE].values]


def variable_words(result: xr.Dataset, variable: str) -> str:
    units = str(result["variable_units"].sel({names.VARIABLE: variable}).item())
    if variable != ALL or len(result[names.VARIABLE]) == 1:
        return f"{variable} ({units})"
    others = [str(name) for name in result[names.VARIABLE].values if name != ALL]
    return f"{' and '.join(others) if len(others) < 4 else 'all variables'} ({units})"


def _with_spread(values: np.ndarray, places: int) -> str:
    mean, spread = mean_of(values), spread_of(values)
    text = _number(mean, places)
    return f"{text} ± {_number(spread, places)}" if np.isfinite(spread) else text


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "–"


def _skill(value: float) -> str:
    return f"{value:+.2f}" if np.isfinite(value) else "–"


def _decimals(*values: np.ndarray) -> int:
    """Decimals that show the smallest of the errors to three digits."""
    sizes = np.concatenate([np.ravel(value) for value in values])
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return 3 if sizes.size == 0 else max(1, 2 - int(np.floor(np.log10(sizes.min()))))


def _label(label: str, words: str) -> str:
    return f"{label}: {words}" if words else label


def _words(name: str) -> str:
    return name.replace("_", " ")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
