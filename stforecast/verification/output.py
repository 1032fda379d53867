"""Scores as files: NetCDF with all that defines them, CSV for spreadsheets."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from stforecast import names
from stforecast.errors import DataError, first_line
from stforecast.files import written_whole
from stforecast.product.coordinates import duration_encoding
from stforecast.verification.events import SCALE
from stforecast.verification.metrics import (
    ALWAYS,
    CELL_METRICS,
    EVENT_METRICS,
    METRICS,
    shown_metrics,
)
from stforecast.verification.protocol import protocol_frame
from stforecast.verification.text import are_durations, lead_numbers, lead_texts


def write_scores(scores: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write ``scores.nc`` and ``scores.csv``, each whole or not at all; gives their paths.

    Scores of frames have a table of their own, ``frame_scores.csv``, and so have those that follow
    a protocol, ``protocol_scores.csv``, and those of events, ``event_scores.csv``. StForecastError
    when they cannot be written.
    """
    folder = Path(folder)
    netcdf = folder / "scores.nc"
    tables = {folder / "scores.csv": score_frame(scores)}
    if any(METRICS[metric].of_frames for metric in shown_metrics(scores)):
        tables[folder / "frame_scores.csv"] = frame_score_frame(scores)
    if any(METRICS[metric].of_events for metric in shown_metrics(scores)):
        tables[folder / "event_scores.csv"] = event_score_frame(scores)
    if "protocol" in scores.attrs:
        tables[folder / "protocol_scores.csv"] = protocol_frame(scores)
    dataset = scores.copy()
    lead = dataset.coords.get(names.LEAD_TIME)
    if lead is not None and lead.dtype.kind == "m":
        lead.encoding = duration_encoding(lead.values)
    with written_whole(netcdf, "the scores") as beside:
        dataset.to_netcdf(beside, engine="netcdf4")
    for path, table in tables.items():
        with written_whole(path, "the scores") as beside:
            table.to_csv(beside, index=False, float_format="%.10g")
    return [netcdf, *tables]


def read_scores(path: str | Path) -> xr.Dataset:
    """Scores that :func:`write_scores` wrote as NetCDF, in memory.

    DataError, naming the file, when it is missing or cannot be read.
    """
    try:
        # Only the lead time: scores in seconds or days are no durations.
        scores = xr.load_dataset(path, engine="netcdf4", decode_timedelta=False)
        if names.LEAD_TIME in scores.coords:
            lead = xr.decode_cf(scores[[names.LEAD_TIME]], decode_timedelta=True)
            scores = scores.assign_coords({names.LEAD_TIME: lead[names.LEAD_TIME]})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = first_line(error)
        raise DataError(
            f"the scores {path} cannot be read ({reason}); make them with stforecast verify"
        ) from error
    return scores


def score_frame(scores: xr.Dataset) -> pd.DataFrame:
    """One row for each forecast or reference, variable, lead time and group.

    Columns: ``forecast, variable, units``, the lead time (in hours where it is a duration), groups
    and region, the metrics of cells such as ``rmse, mae, bias``, one ``skill_vs_<reference>`` each,
    ``count``; ``rmse_lower`` and the like where intervals were drawn.
    """
    shown = shown_metrics(scores)
    columns = [metric for metric in shown if metric in CELL_METRICS] or list(ALWAYS)
    if "rmse_lower" in scores and "rmse" in columns:
        columns += ["rmse_lower", "rmse_upper"]
    wide = scores[[*columns, "count"]].reset_coords(drop=True)
    if "skill" in scores and "rmse" in shown:
        for reference in scores[names.REFERENCE].values:
            label = f"skill_vs_{reference}"
            for ending in ("", "_lower", "_upper"):
                if f"skill{ending}" in scores:
                    of = scores[f"skill{ending}"].sel({names.REFERENCE: reference})
                    wide[label + ending] = of.reset_coords(drop=True)
                    columns.append(label + ending)
    wide["count"] = wide["count"].expand_dims({names.SYSTEM: scores[names.SYSTEM].values})
    units = scores["variable_units"].reset_coords(drop=True)
    wide["units"] = units.broadcast_like(scores["rmse"].reset_coords(drop=True))
    dims = [str(dim) for dim in scores["rmse"].dims]
    frame = wide.to_dataframe(dim_order=dims).reset_index()
    labels = [*dims[:2], "units", *dims[2:]]
    return _with_lead_texts(frame[[*labels, *columns, "count"]], scores)


def event_score_frame(scores: xr.Dataset) -> pd.DataFrame:
    """One row for each forecast or reference, variable, threshold, lead time and group, of events.

    Columns: ``forecast, variable, units, threshold``, the lead time (in hours where it is a
    duration), groups and region, the weights of hits, misses and false alarms, the metrics of them,
    and ``fss_<cells>`` for each neighbourhood.
    """
    shown = [metric for metric in shown_metrics(scores) if metric in EVENT_METRICS]
    plain = [metric for metric in shown if metric != "fss"]
    columns = ["hits", "misses", "false_alarms", *plain]
    wide = scores[columns].reset_coords(drop=True)
    for scale in scores[SCALE].values if "fss" in shown else ():
        label = f"fss_{scale}"
        wide[label] = scores["fss"].sel({SCALE: scale}).reset_coords(drop=True)
        columns.append(label)
    units = scores["variable_units"].reset_coords(drop=True)
    wide["units"] = units.broadcast_like(wide["hits"])
    dims = [str(dim) for dim in scores["hits"].dims]
    frame = wide.to_dataframe(dim_order=dims).reset_index()
    frame = frame[[*dims[:2], "units", *dims[2:], *columns]]
    return _with_lead_texts(frame[frame["hits"].notna()], scores)


def frame_score_frame(scores: xr.Dataset) -> pd.DataFrame:
    """One row for each forecast or reference, lead time and group, of the scores of frames.

    Columns: ``forecast``, the lead time (in hours where it is a duration) and groups, the metrics,
    ``frames``, ``frames_left_out``.
    """
    columns = [metric for metric in shown_metrics(scores) if METRICS[metric].of_frames]
    counts = ["frames", "frames_left_out"]
    wide = scores[[*columns, *counts]].reset_coords(drop=True)
    for name in counts:
        wide[name] = wide[name].expand_dims({names.SYSTEM: scores[names.SYSTEM].values})
    dims = [str(dim) for dim in scores[columns[0]].dims]
    frame = wide.to_dataframe(dim_order=dims).reset_index()
    return _with_lead_texts(frame[[*dims, *columns, *counts]], scores)


def _with_lead_texts(frame: pd.DataFrame, scores: xr.Dataset) -> pd.DataFrame:
    """Lead times as text, and in hours beside, where they are durations; frames as they count."""
    if names.LEAD_TIME not in frame:
        return frame
    leads = scores[names.LEAD_TIME]
    at = leads.to_index().get_indexer(pd.Index(frame[names.LEAD_TIME]))
    numbers = lead_numbers(leads)[at]
    if are_durations(leads):
        texts = np.asarray(lead_texts(leads), object)[at]
        frame = frame.assign(**{names.LEAD_TIME: texts})
        column = int(frame.columns.get_loc(names.LEAD_TIME)) + 1
        frame.insert(column, "lead_hours", numbers)
        return frame
    return frame.assign(**{names.LEAD_TIME: numbers})
