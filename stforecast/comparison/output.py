"""A comparison as files: tables for programs, for documents, and a figure."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from stforecast import names
from stforecast._version import __version__
from stforecast.comparison.figure import write_figure
from stforecast.comparison.results import MODEL, SEED, long_frame, summary_frame
from stforecast.comparison.tables import comparison_markdown
from stforecast.files import written_whole

FIGURE = "error_against_cost.png"


def write_comparison(result: xr.Dataset, folder: Path) -> list[Path]:
    """Write ``scores.csv``, ``summary.csv``, ``summary.json``, ``comparison.md`` and the figure.

    Each appears whole or not at all; gives their paths. StForecastError when they cannot be
    written.
    """
    summary = summary_frame(result)
    return [
        _write_table(long_frame(result), folder / "scores.csv"),
        _write_table(summary, folder / "summary.csv"),
        _write_text(json.dumps(_described(result, summary), indent=1), folder / "summary.json"),
        _write_text(comparison_markdown(result), folder / "comparison.md"),
        write_figure(result, folder / FIGURE),
    ]


def _described(result: xr.Dataset, summary: pd.DataFrame) -> dict[str, Any]:
    """The summary with what it is of, as plain values."""
    return {
        "stforecast": __version__,
        **{str(key): value for key, value in result.attrs.items()},
        "seeds": [int(seed) for seed in result[SEED].values],
        "references": [str(name) for name in result[names.REFERENCE].values],
        "failures": {
            f"{label}, seed {seed}": failure
            for label in result[MODEL].values
            for seed in result[SEED].values
            if (failure := result["failure"].sel({MODEL: label, SEED: seed}).item())
        },
        "rows": json.loads(summary.to_json(orient="records")),
    }


def _write_table(frame: pd.DataFrame, path: Path) -> Path:
    with written_whole(path, "the table") as beside:
        frame.to_csv(beside, index=False, float_format="%.10g")
    return path


def _write_text(text: str, path: Path) -> Path:
    with written_whole(path, "the table") as beside:
        beside.write_text(text.rstrip() + "\n", encoding="utf-8")
    return path
