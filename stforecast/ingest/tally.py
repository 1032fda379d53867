"""What a store remembers of how it was made, so that it can grow without being read again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.ingest.assemble import times_text
from stforecast.ingest.findings import Findings, Run, runs
from stforecast.ingest.survey import cells
from stforecast.store import StoreMeta, TensorStore
from stforecast.store.counts import Counts
from stforecast.store.schema import CountsMeta
from stforecast.timeaxis import TimeAxis, stamp_text

# How sentences end that are told anew from the store itself.
_TOLD_ANEW = ("marked as absent", "kept as missing")
_STEPS = 64


def history_of(findings: Findings) -> dict[str, Any]:
    """The findings that cannot be told from the store itself, as plain values for its description.

    What is absent and what is missing can.
    """
    return {
        "notes": list(findings.notes),
        "rows": findings.rows,
        "duplicated": [
            {
                "first": stamp_text(run.first),
                "last": stamp_text(run.last),
                "size": run.size,
                "whole_days": run.whole_days,
            }
            for run in findings.duplicated
        ],
        "duplicated_differ": findings.duplicated_differ,
        "disorder": findings.disorder,
        "first_disorder": None
        if findings.first_disorder is None
        else stamp_text(findings.first_disorder),
        "shifted": findings.shifted,
    }


def merge_history(meta: StoreMeta, axis: TimeAxis, new: Findings) -> Findings:
    """The findings of a store and of the files it grows by; mapping, absent and cells are `new`'s.

    Of a store that does not remember, its sentences are kept as notes.
    """
    old = meta.history
    if not old:
        kept = [line for line in meta.findings if not line.endswith(_TOLD_ANEW)]
        old = {"notes": kept}
    duplicated = [_run(axis, run) for run in old.get("duplicated", ())]
    told = old.get("first_disorder")
    disorders = [new.first_disorder, told and axis.parse_time(told.replace(" ", "T"))]
    return Findings(
        step=new.step,
        mapping=new.mapping,
        notes=list(dict.fromkeys([*old.get("notes", ()), *new.notes])),
        rows=old.get("rows", 0) + new.rows,
        duplicated=sorted([*duplicated, *new.duplicated], key=lambda run: run.first),
        duplicated_differ=old.get("duplicated_differ", 0) + new.duplicated_differ,
        disorder=old.get("disorder", 0) + new.disorder,
        first_disorder=min((stamp for stamp in disorders if stamp), default=None),
        shifted=old.get("shifted", 0) + new.shifted,
        absent=new.absent,
        cells=new.cells,
    )


def findings_of(store: TensorStore) -> Findings:
    """The findings of a store to which nothing is added."""
    none = Findings(step=store.axis.step)
    found = merge_history(store.meta, store.axis, none)
    found.mapping = {"times": times_text(store.axis), "already there": "all that the files hold"}
    found.absent = runs(store.axis, np.flatnonzero(~store.present))
    found.cells = cells(store.channels, counts_of(store))
    return found


def _run(axis: TimeAxis, run: Mapping[str, Any]) -> Run:
    first, last = (axis.parse_time(run[key].replace(" ", "T")) for key in ("first", "last"))
    return Run(first, last, int(run["size"]), bool(run["whole_days"]))


def counts_of(store: TensorStore) -> Counts:
    """The counts of a store, as it remembers them; of one that does not, by reading it."""
    meta, shape = store.meta, store.shape[1:]
    if meta.counts is None or names.MISSING not in store.dataset:
        counts = Counts.of_none(shape)
        for start in range(0, store.shape[0], _STEPS):
            stop = min(start + _STEPS, store.shape[0])
            counts.add(store.read(start, stop)[store.present[start:stop]])
        return counts
    counts = Counts.of_none(shape)
    counts.missing = store.dataset[names.MISSING].values.astype(np.int32)
    counts.frames = int(store.present.sum())
    counts.whole = (store.valid_cells[store.present] == 0).sum(axis=0, dtype=np.int64)
    counts.infinite = np.array(meta.counts.infinite, np.int64)
    counts.minimum = np.array(
        [np.inf if value is None else value for value in meta.counts.minimum], np.float64
    )
    counts.maximum = np.array(
        [-np.inf if value is None else value for value in meta.counts.maximum], np.float64
    )
    return counts


def counted(counts: Counts) -> CountsMeta:
    """The counts that a store keeps in its description."""

    def finite(values: NDArray[np.float64]) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values]

    return CountsMeta(
        infinite=[int(number) for number in counts.infinite],
        minimum=finite(counts.minimum),
        maximum=finite(counts.maximum),
    )
