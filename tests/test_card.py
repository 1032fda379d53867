"""The card of a run: written whole, read with care, held against the data."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from stforecast._version import __version__
from stforecast.card import CARD, ModelCard, RunCard, TrainingCard, git_revision, library_versions
from stforecast.errors import RunError
from stforecast.options import SplitOptions
from stforecast.store import TensorStore
from stforecast.timeaxis import TimeStep
from stforecast.windows import (
    Statistics,
    Transform,
    WindowSpec,
    compute_statistics,
    resolve_splits,
    sample_shape,
)
from tests.helpers import make_store

SPEC = WindowSpec(4, 3, "last_frame")


def make_card(store: TensorStore, **changes: object) -> RunCard:
    splits = resolve_splits(store.axis, SplitOptions(), SPEC)
    statistics = compute_statistics(store, SPEC, splits)
    values: dict[str, object] = {
        "name": "demo",
        "model": ModelCard(name="simvp", settings={"hid_S": 16}),
        "shape": asdict(sample_shape(store, SPEC, statistics.missing)),
        "windows": SPEC.to_json(),
        "history_needed": SPEC.history_needed,
        "channels": store.meta.channels,
        "grid": store.grid.fingerprint(),
        "time_step": store.axis.step.text,
        "time_anchor": store.axis.step.anchor,
        "calendar": store.axis.calendar,
        "splits": splits.dates(store.axis),
        "statistics": statistics.to_json(),
        "experiment": {"name": "demo"},
        "seed": 0,
        "precision": "float32",
        "device": "cpu",
        "training": TrainingCard(budget={"max_epochs": 2}, batch_size=16, samples=20),
        "scores": {"validation": {"model": {"v0": 0.5, "v1": float("nan")}}},
    }
    return RunCard.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def store() -> TensorStore:
    return make_store(100, 2, 4, 5, missing=0.05)


@pytest.fixture(scope="module")
def card(store: TensorStore) -> RunCard:
    return make_card(store)


def test_what_is_written_is_read(card: RunCard, tmp_path: Path) -> None:
    card.write(tmp_path / "runs" / "model")
    again = RunCard.read(tmp_path / "runs" / "model")
    assert again.scores == {"validation": {"model": {"v0": 0.5, "v1": None}}}
    assert again == card.model_copy(update={"scores": again.scores})
    assert [path.name for path in (tmp_path / "runs" / "model").iterdir()] == [CARD]
    text = (tmp_path / "runs" / "model" / CARD).read_text()
    assert "NaN" not in text
    assert text.startswith('{\n  "schema_version": 1,\n  "name": "demo"')


def test_a_card_says_with_what_it_was_made(card: RunCard) -> None:
    assert card.versions["stforecast"] == __version__
    assert {"python", "torch", "pytorch-lightning", "numpy", "xarray"} <= set(card.versions)
    assert card.versions == library_versions()
    assert card.created.endswith("+00:00")


def test_parts_of_a_run_come_back_from_its_card(
    store: TensorStore, card: RunCard, tmp_path: Path
) -> None:
    card.write(tmp_path)
    again = RunCard.read(tmp_path)
    assert WindowSpec.from_json(again.windows) == SPEC
    assert again.step == store.axis.step == TimeStep.parse("1h")
    statistics = Statistics.from_json(again.statistics)
    transform = Transform.from_card(again)
    assert set(transform.departures) == {"last_frame"}
    np.testing.assert_allclose(transform.mean.flatten(), statistics.mean, rtol=1e-6)
    np.testing.assert_allclose(transform.scale.flatten(), statistics.departure_scale, rtol=1e-6)


def test_a_card_that_cannot_be_written_leaves_the_old_one(card: RunCard, tmp_path: Path) -> None:
    card.write(tmp_path)
    before = (tmp_path / CARD).read_bytes()
    broken = card.model_copy(update={"experiment": {"of": object()}})
    with pytest.raises(Exception, match="serialize"):
        broken.write(tmp_path)
    assert (tmp_path / CARD).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CARD]
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write the card of the run"):
        card.write(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not a trained run .it has no card.json.; make one with stforecast train"),
        (b"", "not JSON"),
        (b'{"schema_version": 1, "name":', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"{}", "schema version None and this stforecast .* reads 1"),
        (b'{"schema_version": 2}', "schema version 2"),
        (b'{"schema_version": 1}', "damaged .name: is missing"),
    ],
)
def test_what_is_no_card_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / CARD).write_bytes(content)
    with pytest.raises(RunError, match=words):
        RunCard.read(tmp_path)


def test_a_card_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / CARD).mkdir()
    with pytest.raises(
        RunError, match=r"cannot read .*card\.json: Is a directory; .*train the run"
    ):
        RunCard.read(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere is not a trained run \(there is no run\)"):
        RunCard.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("training", "batch_size"), None, "training.batch_size"),
        (("seed",), "many", "seed"),
        (("channels", 0, "name"), 7, "channels.0.name"),
        (("splits", "test"), ["2000"], "splits.test.1: is missing"),
    ],
)
def test_a_damaged_value_is_named(
    card: RunCard, path: tuple[str | int, ...], value: object, words: str, tmp_path: Path
) -> None:
    values = json.loads(card.model_dump_json())
    inside = values
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    (tmp_path / CARD).write_text(json.dumps(values))
    with pytest.raises(RunError, match=words):
        RunCard.read(tmp_path)


def test_a_run_fits_the_data_it_was_trained_on_and_later_data(
    store: TensorStore, card: RunCard
) -> None:
    card.check_fits(store)
    card.check_fits(make_store(12, 2, 4, 5, start="2031-05-01"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": 8, "width": 16}, "trained on a 4×5 grid, the data has 8×16"),
        ({"descending": True}, "their grids differ.* 40 to 60 against .* 60 to 40"),
        ({"channels": ["v0", "rain"]}, "trained on 'v0', 'v1', the data has 'v0', 'rain'"),
        ({"channels": ["v1", "v0"]}, "order data.variables alike"),
        ({"channels": 1}, "trained on 'v0', 'v1', the data has 'v0'"),
        ({"step": "30min"}, "trained on a time step of one hour, the data has one of 30 minutes"),
        ({"calendar": "noleap"}, "trained in the calendar proleptic_gregorian, .* in noleap"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_what_differs(
    card: RunCard, changes: dict[str, object], words: str
) -> None:
    other = make_store(**{"n": 30, "channels": 2, "height": 4, "width": 5, **changes})
    with pytest.raises(RunError, match=f"the run 'demo' does not fit this data: .*{words}"):
        card.check_fits(other)


def test_other_units_do_not_fit(store: TensorStore, card: RunCard) -> None:
    channels = [channel.model_copy(update={"units": "degC"}) for channel in card.channels]
    celsius = card.model_copy(update={"channels": channels})
    with pytest.raises(RunError, match=r"'v0' was in degC and is in K; .*data.variables.v0.units"):
        celsius.check_fits(store)


def test_names_of_one_calendar_fit(store: TensorStore, card: RunCard) -> None:
    for name in ("standard", "gregorian", "proleptic_gregorian"):
        card.model_copy(update={"calendar": name}).check_fits(store)


def test_git_revision_of_the_folder(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_revision(tmp_path) is None
    (tmp_path / "experiment.yaml").write_text("name: a")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    subprocess.run([*git, "tag", "-am", "a", "v1"], check=True)
    revision = git_revision(tmp_path)
    assert revision is not None
    assert len(revision) == 40
    (tmp_path / "experiment.yaml").write_text("name: b")
    assert git_revision(tmp_path) == f"{revision}-dirty"


def test_reading_a_card_loads_no_torch(card: RunCard, tmp_path: Path) -> None:
    card.write(tmp_path)
    code = (
        "import sys; from stforecast.card import RunCard; "
        "from stforecast.windows import WindowSpec, Statistics, resolve_splits, init_positions; "
        f"RunCard.read({str(tmp_path)!r}); "
        "assert not {'torch', 'pytorch_lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
