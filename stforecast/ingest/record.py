"""A record on its way to the tensor: fields, times, and what is to be told of both."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.ingest.assemble import coordinates_on_axis, mapping_text, rounding_notes
from stforecast.ingest.findings import Findings
from stforecast.ingest.layout import Layout
from stforecast.ingest.timeline import Timeline, on_timeline
from stforecast.timeaxis import TimeAxis


@dataclass(frozen=True)
class Record:
    """Fields and their times, before or after transformations.

    ``source`` are the times as the files have them, ``rows`` how many rows those have, and `done`
    what was done to the values, in words by what it was done to.
    """

    layout: Layout
    timeline: Timeline
    source: Timeline
    rows: int
    notes: tuple[str, ...] = ()
    done: dict[str, str] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout, timeline: Timeline) -> "Record":
        """As the files have it."""
        notes = (*layout.notes, *rounding_notes(layout, timeline))
        return cls(layout, timeline, timeline, layout.dataset.sizes[names.TIME], notes)

    def settled(self) -> "Record":
        """The same with its values on the axis, one row for each time: what is absent is NaN.

        The types of the values stay, for sums and differences to be as exact as the file.
        """
        if self.timeline.settled:
            return self
        layout, timeline = self.layout, self.timeline
        arrays = {
            name: on_timeline(array.variable, timeline)
            for name, array in layout.dataset.data_vars.items()
        }
        coords = coordinates_on_axis(layout, timeline)
        settled = self.on_axis(xr.Dataset(arrays, coords), timeline.axis, timeline.present)
        if layout.references is None:
            return settled
        references = layout.references[np.maximum(timeline.rows, 0)]
        return replace(settled, layout=replace(settled.layout, references=references))

    def part(self, first: int, stop: int) -> "Record":
        """The positions ``first … stop - 1`` of a settled record."""
        axis = self.timeline.axis.part(first, stop)
        dataset = self.layout.dataset.isel({names.TIME: slice(first, stop)})
        return self.on_axis(dataset, axis, self.timeline.present[first:stop])

    def on_axis(self, dataset: xr.Dataset, axis: TimeAxis, present: np.ndarray) -> "Record":
        """The same record with other values, one row for each time of an axis.

        `dataset` has the fields on ``([sequence,] time, y, x)`` and the coordinates; times that are
        not present are NaN in all of them.
        """
        dataset.attrs = dict(self.layout.dataset.attrs)
        dataset.encoding = dict(self.layout.dataset.encoding)
        timeline = Timeline(
            axis=axis,
            rows=np.where(present, np.arange(axis.size), -1),
            settled=True,
        )
        return replace(self, layout=replace(self.layout, dataset=dataset), timeline=timeline)

    def with_recipe(self, recipe: dict[str, Any]) -> "Record":
        """The same record, and the options that it was made with."""
        return replace(self, recipe=recipe)

    def findings_of_source(self) -> Findings:
        """What was found of the times as the files have them, and the notes."""
        source = self.source
        return Findings(
            step=source.axis.step,
            notes=list(self.notes),
            rows=self.rows,
            duplicated=source.duplicated,
            duplicated_differ=source.duplicated_differ,
            disorder=source.disorder,
            first_disorder=source.first_disorder,
            shifted=source.shifted,
            absent=source.absent,
        )

    def findings(self, timezone: str) -> Findings:
        """The report so far, without what is known only when all values are read."""
        found = self.findings_of_source()
        found.mapping = {**mapping_text(self.layout, self.timeline, timezone), **self.done}
        if self.timeline.axis.step == self.source.axis.step:
            found.absent = self.timeline.absent
            return found
        # what was found of the source is told in its steps, what is left in the new ones
        return Findings(
            step=self.timeline.axis.step,
            mapping=found.mapping,
            notes=found.sentences_of_source(),
            rows=self.rows,
            absent=self.timeline.absent,
        )
