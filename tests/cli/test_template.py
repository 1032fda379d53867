"""The text of a new experiment file: it reads back, suits the record, and keeps presets."""

from dataclasses import replace

import pytest

from stforecast.cli.suggest import Record, suggest_windows
from stforecast.cli.template import experiment_text
from stforecast.config import Experiment, experiment_of, experiment_preset
from stforecast.config.text import parse_value, parse_yaml, yaml_scalar
from stforecast.ingest.transform.periods import check_step
from stforecast.options import CoarsenOptions, DataOptions, SplitOptions
from stforecast.timeaxis import TimeStep
from stforecast.windows.spec import resolve_windows
from stforecast.windows.splits import resolve_splits
from tests.helpers import make_store


def record_of(reader="netcdf", **settings) -> Record:
    store = make_store(**settings)
    return Record(
        channels=store.meta.channels,
        grid=store.grid,
        axis=store.axis,
        sequence_name=store.meta.sequence_name,
        n_sequences=store.n_sequences,
        reader=reader,
    )


def experiment_in(text: str) -> Experiment:
    return experiment_of(parse_yaml(text, "text")[0], [], "text")


RECORDS = {
    "hours": {"n": 24 * 800, "height": 2, "width": 2},
    "half hours": {"n": 480, "step": "30min", "height": 2, "width": 2},
    "days": {"n": 1000, "step": "1D", "height": 2, "width": 2},
    "months": {"n": 240, "step": "1M", "height": 2, "width": 2},
    "years": {"n": 240, "step": "1Y", "start": "1860-06-01", "calendar": "360_day"},
    "few": {"n": 12},
    "traffic": {"n": 24 * 60, "reader": "deepst", "channels": ["in", "out"]},
    "videos": {"n": 20, "sequences": 10, "height": 2, "width": 2},
}


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("preset", [None, "demo", "taxibj", "era5"])
def test_what_is_written_reads_back_and_suits_the_record(kind, preset):
    record = record_of(**RECORDS[kind])
    base = None if preset is None else experiment_preset(preset).read_text(encoding="utf-8")
    text = experiment_text("mine", ["a/*.nc"], record, DataOptions(), base)
    if preset == "taxibj":  # its model preset needs no checking here
        text = text.replace("preset: taxibj", "hid_S: 8")
    experiment = experiment_in(text)
    assert experiment.name == "mine"
    assert experiment.data.files == ["a/*.nc"]
    assert list(experiment.data.variables or {}) == [channel.name for channel in record.channels]
    spec = resolve_windows(experiment.windows, record.axis.step)
    splits = resolve_splits(
        record.axis, experiment.data.split, spec, n_sequences=record.n_sequences
    )
    assert splits.test is not None


def test_windows_suit_the_step():
    lengths = {kind: suggest_windows(record_of(**RECORDS[kind])) for kind in RECORDS}
    assert (lengths["hours"].history, lengths["hours"].horizon) == (12, 12)
    assert (lengths["half hours"].history, lengths["half hours"].horizon) == (4, 4)
    assert (lengths["months"].history, lengths["months"].horizon) == (12, 6)
    assert (lengths["years"].history, lengths["years"].horizon) == (8, 4)


def test_what_is_usual_is_subtracted_where_days_go_round():
    departures = {
        kind: experiment_in(
            experiment_text("mine", ["a"], record_of(**RECORDS[kind]), DataOptions())
        ).windows.departure
        for kind in RECORDS
    }
    assert departures == {
        "hours": "climatology",
        "half hours": "none",  # ten days
        "days": "none",
        "months": "none",
        "years": "history_mean",
        "few": "none",
        "traffic": "climatology",
        "videos": "none",
    }


def test_videos_have_their_own_keys():
    video = record_of(reader="frames", **RECORDS["videos"])
    options = DataOptions(frames={"length": 20, "resize": {"height": 4, "width": 5}})
    experiment = experiment_in(experiment_text("films", ["kth"], video, options))
    assert experiment.data.frames == options.frames
    assert experiment.data.variables is not None
    assert experiment.data.variables["v0"].maximum == 1
    assert experiment.data.split.train == 0.7
    digits = replace(video, reader="moving-mnist", drawn=True)
    options = DataOptions(reader="moving-mnist", moving_mnist={"test": 7})
    experiment = experiment_in(experiment_text("digits", ["mnist.npz"], digits, options))
    assert experiment.data.reader == "moving-mnist"
    assert experiment.data.moving_mnist == options.moving_mnist
    # they say themselves what is for validation and for test
    assert experiment.data.split == SplitOptions()


def test_traffic_follows_the_week():
    record = record_of(**RECORDS["traffic"])
    experiment = experiment_in(experiment_text("taxi", ["a.h5"], record, DataOptions()))
    assert experiment.data.variables is not None
    assert experiment.data.variables["out"].index == 1
    assert experiment.data.variables["out"].minimum == 0
    assert experiment.windows.covariates[0].calendar == ["hour", "weekday"]
    assert "hour_of_week" in experiment.verification.references


def test_what_was_said_of_the_data_is_kept():
    said = DataOptions.model_validate(
        {
            "reader": "netcdf",
            "timezone": "Europe/Berlin",
            "slots": "hour",
            "time_step": "1h",
            "store": "x.zarr",
            "select": {"level": 500, "kind": "a: b"},
            "variables": {"v0": {"source": "T", "minimum": 0}},
            "region": {"west": 0, "east": 3, "south": 40, "north": 50},
            "grid": {"west": 0, "east": 3, "south": 40, "north": 50, "crs": "EPSG:25832"},
            "coarsen": {"y": 2, "missing": 0.1},
            "resample": {"step": "1D", "label": "end"},
            "period": ["2000", "2001-02"],
            "split": {"train": 0.5, "test": 0.25},
        }
    )
    text = experiment_text("mine", ["a.nc"], record_of(n=200), said)
    kept = experiment_in(text).data
    assert kept == said.model_copy(update={"files": ["a.nc"]})


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind != "videos"])
def test_longer_steps_that_are_suggested_suit_the_record(kind):
    record = record_of(**RECORDS[kind])
    text = experiment_text("mine", ["a.nc"], record, DataOptions())
    for key in ("coarsen", "resample"):
        assert f"  # {key}: " in text
        text = text.replace(f"  # {key}: ", f"  {key}: ")
    options = experiment_in(text).data
    assert options.resample is not None
    check_step(TimeStep.parse(options.resample.step), record.axis.step)
    assert options.coarsen == CoarsenOptions(y=2, x=2)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "plain",
            "a: b",
            "#x",
            "a # b",
            "12",
            "1e3",
            "null",
            "[a]",
            "a, b",
            "",
            "*.nc",
            "ü",
            " a",
        ),
        *(" a", 1, 2.5, True, None),
    ],
)
def test_scalars_read_back_as_themselves(value):
    assert parse_value(yaml_scalar(value), "text") == value
    assert parse_value(f"[{yaml_scalar(value)}]", "text") == [value]


@pytest.mark.parametrize("kind", ["hours", "traffic"])
def test_periods_end_with_days(kind):
    # from six in the morning on, so that no share of the record ends with a day by itself
    record = record_of(**{"start": "2000-01-01T06", **RECORDS[kind]})
    text = experiment_text("mine", ["a"], record, DataOptions())
    split = experiment_in(text).data.split
    ends = [*split.train, *split.validation, *split.test]
    assert all(len(end) == len("2000-01-01") for end in ends)
    assert ends[0] == "2000-01-01"
    assert ends == sorted(ends)
    assert ends[-1] == record.axis.text_at(record.axis.size - 1)[:10]


def test_periods_of_a_short_record_end_within_days():
    record = record_of(n=60, height=2, width=2)
    split = experiment_in(experiment_text("mine", ["a"], record, DataOptions())).data.split
    assert any(len(end) > len("2000-01-01") for end in (*split.train, *split.test))
