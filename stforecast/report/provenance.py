"""Where scores come from: data, periods, training, versions, command."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import xarray as xr

from stforecast import names
from stforecast._version import __version__
from stforecast.card import RunCard
from stforecast.report.subject import Subject
from stforecast.report.words import counted, joined, spoken

_FOREIGN: Final = ("title", "institution", "source", "references", "comment", "history")
# Attributes of a forecast that no card tells, with what they are called on the page.
_TOLD: Final = {
    "stforecast_model": "model",
    "stforecast_run": "run",
    "stforecast_run_created": "run made",
    "stforecast_weights": "weights",
    "stforecast_training_period": "trained on",
    "stforecast_validation_period": "validated on",
    "stforecast_test_period": "test period",
    "stforecast_seed": "seed",
    "stforecast_trained_steps": "training steps",
    "stforecast_precision": "precision of the forecast",
    "stforecast_git_revision": "git revision",
}
_LONGEST = 600  # characters of an attribute that are shown


@dataclass(frozen=True)
class Facts:
    """A list of facts under a heading; ``details`` are long texts to unfold, by their title."""

    title: str
    rows: list[tuple[str, str]]
    details: list[tuple[str, str]]


def provenance(subject: Subject) -> list[Facts]:
    """The making of the scores, the observations, and of each forecast that is at hand."""
    found = [_of_scores(subject), *_of_data(subject)]
    for name in subject.results.forecasts:
        product = subject.forecasts.get(name)
        card = subject.cards.get(name)
        if card is not None:
            found.append(_of_run(name, card, product))
        elif product is not None:
            found.append(_of_product(name, product, subject.files.get(name, ())))
    # the runs that an ensemble is made of
    members = [name for name in subject.cards if name not in subject.results.forecasts]
    return [*found, *(_of_run(name, subject.cards[name], None) for name in members)]


def _of_scores(subject: Subject) -> Facts:
    scores = subject.results.all
    rows = [
        ("scored", str(scores.attrs.get("period", "not told"))),
        ("averaged", str(scores.attrs.get("averaging", "not told"))),
    ]
    for key, words in (
        ("protocol", "protocol"),
        ("value_ranges", "ranges of the values"),
        ("bootstrap", "intervals"),
    ):
        if key in scores.attrs:
            rows.append((words, str(scores.attrs[key])))
    if subject.command:
        rows.append(("command", subject.command))
    rows.append(("page written by", f"stforecast {__version__}"))
    return Facts("Scores", rows, [])


def _of_data(subject: Subject) -> Iterator[Facts]:
    rows = _file_rows(subject.sources)
    if not rows:
        files = subject.attribute("data_files")
        if files:
            rows.append(("files", str(files)))
    attrs = {} if subject.observations is None else subject.observations.attrs
    rows += [(name, _short(attrs[name])) for name in _FOREIGN if attrs.get(name)]
    if rows:
        yield Facts("Observations", rows, [])


def _file_rows(files: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    rows = []
    for file in files:
        digest = f"sha256 {file['sha256']}" if file.get("sha256") else "no checksum"
        size = f", {counted(int(file['size']))} bytes" if file.get("size") else ""
        rows.append((str(file.get("path", "")), f"{digest}{size}"))
    return rows


def _of_run(name: str, card: RunCard, product: xr.Dataset | None) -> Facts:
    rows = [
        ("model", f"{card.model.name}"),
        ("made", card.created),
        *_splits(card),
        (
            "input and output",
            f"{card.step.counted(card.windows['history'])} in, {card.windows['horizon']} out; "
            f"{card.history_needed} are needed before a forecast",
        ),
        ("variables", joined([channel.title for channel in card.channels])),
    ]
    if card.imported is not None:
        origin = card.imported
        rows.append(("weights", f"{origin.layout}: {origin.file}, sha256 {origin.sha256}"))
    else:
        rows += _trained(card)
    rows += [("seed", str(card.seed)), ("precision", card.precision), ("device", card.device)]
    if product is not None and "stforecast_precision" in product.attrs:
        rows.append(("precision of the forecast", str(product.attrs["stforecast_precision"])))
    rows.append(("git revision", card.git_revision or "not in a git repository"))
    rows.append(("versions", ", ".join(f"{key} {text}" for key, text in card.versions.items())))
    rows += [("note", note) for note in card.notes]
    details = [("Settings of the model", _json(card.model.settings))]
    if card.experiment:
        details.append(("The whole experiment", _json(card.experiment)))
    return Facts(f"The run {name}", rows, details)


def _trained(card: RunCard) -> list[tuple[str, str]]:
    training = card.training
    budget = joined([f"{spoken(key)} {value}" for key, value in training.budget.items() if value])
    rows = [
        (
            "training",
            f"{counted(training.steps)} steps, {training.epochs:g} epochs, "
            f"{training.seconds:.0f} s; batches of {training.batch_size} from "
            f"{counted(training.samples)} samples",
        ),
        ("budget", budget or "not told"),
    ]
    if training.best_step is not None:
        rows.append(("weights used", f"those of step {counted(training.best_step)}"))
    if training.interrupted:
        rows.append(("ended early", training.interrupted))
    elif not training.finished:
        rows.append(("ended early", "the training is not finished"))
    return rows


def _splits(card: RunCard) -> Iterator[tuple[str, str]]:
    words = {"train": "trained on", "validation": "validated on", "test": "test period"}
    for part in card.splits:
        yield words.get(part, part), card.part_text(part)


def _of_product(name: str, product: xr.Dataset, files: Sequence[Mapping[str, Any]]) -> Facts:
    attrs = product.attrs
    rows = _file_rows(files)
    rows += [
        (words, _short(str(attrs[key]).replace("/", " to ") if "period" in key else attrs[key]))
        for key, words in _TOLD.items()
        if key in attrs
    ]
    rows += [(key, _short(attrs[key])) for key in _FOREIGN if attrs.get(key)]
    details = []
    for key, title in (
        ("stforecast_model_settings", "Settings of the model"),
        ("stforecast_experiment", "The whole experiment"),
    ):
        if key in attrs:
            details.append((title, _json(_parsed(str(attrs[key])))))
    if len(rows) == len(files):
        rows.append(("made by", "the forecast does not say"))
    return Facts(f"The forecast {name}", rows, details)


def grid_words(subject: Subject) -> str:
    """Size of the fields of the forecast that is judged."""
    product = subject.product
    if product is None:
        return ""
    field = product[subject.results.variables[0]]
    dims = [
        dim for dim in field.dims if dim not in (names.INIT_TIME, names.LEAD_TIME, names.MEMBER)
    ]
    return " × ".join(f"{field.sizes[dim]} {spoken(str(dim))}" for dim in dims)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(value: Mapping[str, Any] | Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
