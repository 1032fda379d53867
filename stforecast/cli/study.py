"""Which experiment a command works on, and where its inputs and outputs lie."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stforecast.cli.session import Session
from stforecast.config import Experiment, experiment_of, load_experiment, safe_name
from stforecast.config.outputs import FORECAST, MAPS, MODEL, STORE, VERIFICATION
from stforecast.errors import RunError, StoreError
from stforecast.remote import Location, is_address, location

if TYPE_CHECKING:
    from stforecast.card import RunCard
    from stforecast.store import TensorStore

HINDCAST = "hindcast.nc"
# Of the folder of several runs, whose names are strung together.
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Study:
    """An experiment with the paths of its inputs and outputs, seen from the working directory."""

    experiment: Experiment
    files: list[str]
    folder: Path
    store: Location
    model: Path
    overlay: Path | None
    flags: str
    """What the next command takes to work on the same experiment, such as ` -c FILE`."""
    run_flags: str
    """The same for a command that starts from the run, such as ` runs/x/model`."""

    @property
    def forecast(self) -> Path:
        return self.folder / FORECAST

    @property
    def verification(self) -> Path:
        return self.folder / VERIFICATION

    @property
    def maps(self) -> Path:
        return self.folder / MAPS

    def described(self) -> dict[str, Any]:
        """The resolved experiment as plain values for the card of a run."""
        plain: dict[str, Any] = self.experiment.model_dump(mode="json")
        # of an address without what may be secret in it
        files = [str(location(name)) if is_address(name) else name for name in self.files]
        plain["data"] |= {"files": files, "store": str(self.store)}
        plain["maps"]["overlay"] = str(self.overlay) if self.overlay else None
        return plain


def open_study(
    session: Session,
    config: str | None,
    overrides: tuple[str, ...],
    *,
    own_data: str | None = None,
    files: tuple[str, ...] = (),
    store: str | None = None,
) -> Study:
    """The experiment of -c, of ./stforecast.yaml, or the demo; the first line of output tells.

    `own_data` names data of the user's that is not in an experiment file: the demo is nothing to
    it. `files` and `store` take the place of the experiment's.
    """
    if store is not None:
        _refuse_run(store)
    loaded = load_experiment(config, overrides, own_data=own_data, carry=carried_over)
    flags = f" -c {shlex.quote(config)}" if config else ""
    if loaded.is_demo or (loaded.source is None and (files or store is not None)):
        session.say(loaded.origin)
    run_flags = flags
    chosen = location(store) if store is not None else loaded.store
    if store is not None or (own_data is not None and loaded.source is None):
        flags += f" --store {shlex.quote(str(chosen))}"
    if own_data is not None and loaded.source is None:
        run_flags = f" {shlex.quote(str(loaded.model))}"
    return Study(
        experiment=loaded.experiment,
        files=list(files) or loaded.files,
        folder=loaded.folder,
        store=chosen,
        model=loaded.model,
        overlay=loaded.overlay,
        flags=flags,
        run_flags=run_flags,
    )


def carried_over(own: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Which settings of the experiment's model hold for another one; loads torch when asked."""
    from stforecast.models import registry

    return registry.carried_over(own, name)


def study_of_run(
    session: Session,
    run: str | None,
    config: str | None,
    overrides: tuple[str, ...],
    *,
    store: str | None = None,
) -> Study:
    """The study that a trained run belongs to; without a run, that of the experiment.

    Outputs lie beside the run. The experiment is that of -c if given, else that on the run's card.
    """
    if run is None:
        own_data = name_of_store(store) if store is not None else None
        return open_study(session, config, overrides, own_data=own_data, store=store)
    model = find_run(Path(run))
    folder = model.parent if model.name == MODEL else model
    beside = folder / STORE
    run_flags = f" {shlex.quote(run)}"
    if config is not None:
        study = open_study(session, config, overrides, store=store)
        run_flags += study.run_flags
        return replace(study, folder=folder, model=model, run_flags=run_flags)
    from stforecast.card import RunCard

    card = RunCard.read(model)
    experiment = experiment_of(card.experiment or {"name": safe_name(card.name)}, overrides, "card")
    found: Location
    if store is not None:
        _refuse_run(store)
        found = location(store)
    elif not beside.exists() and experiment.data.store:
        found = location(experiment.data.store)
    else:
        found = beside
    overlay = Path(experiment.maps.overlay) if experiment.maps.overlay else None
    flags = f" --store {shlex.quote(str(found))}"
    files = experiment.data.files
    return Study(experiment, files, folder, found, model, overlay, flags, run_flags)


def study_of_runs(
    session: Session,
    runs: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    *,
    store: str | None = None,
) -> tuple[Study, list[Path]]:
    """The study of one run or of several that forecast together, and the folders of these.

    Outputs of several lie in a folder of their own beside that of the first, in whose experiment
    and store they share.
    """
    study = study_of_run(session, runs[0] if runs else None, config, overrides, store=store)
    if len(runs) < 2:
        return study, [study.model]
    folders = [find_run(Path(run)) for run in runs]
    studies = [folder.parent if folder.name == MODEL else folder for folder in folders]
    name = safe_name("+".join(folder.name for folder in studies))[:_LONGEST_NAME]
    run_flags = "".join(f" {shlex.quote(run)}" for run in runs)
    together = replace(study, folder=studies[0].parent / name, run_flags=run_flags)
    return together, folders


def _refuse_run(store: str) -> None:
    """StoreError for the folder of a run, or of its study, where a tensor store belongs."""
    from stforecast.card import CARD

    if is_address(store):
        return
    path = Path(store)
    for folder, study in ((path, path.parent), (path / MODEL, path)):
        if (folder / CARD).is_file():
            beside = study / STORE
            which = f", such as {beside}" if beside.exists() else ""
            raise StoreError(
                f"{store} is a trained run and no tensor store; name the store that "
                f"`stforecast ingest` made{which}"
            )


def find_run(path: Path) -> Path:
    """The folder of a run, given it or the folder of its study; RunError when it is neither."""
    from stforecast.card import CARD

    for folder in (path, path / MODEL):
        if (folder / CARD).is_file():
            return folder
    if path.suffix in (".nc", ".zarr") and not path.exists():
        raise RunError(
            f"there is no forecast {path}; make it with `stforecast forecast`, or name another file"
        )
    words = "holds no trained run" if path.exists() else "does not exist"
    raise RunError(f"{path} {words}; train one with `stforecast train`, or name its folder")


def read_card(study: Study) -> "RunCard":
    """The card of the study's run; RunError with the remedy when it was never trained."""
    from stforecast.card import CARD, RunCard

    if not (study.model / CARD).is_file():
        raise RunError(
            f"there is no trained run in {study.model}; train it with "
            f"`stforecast train{study.flags}`"
        )
    return RunCard.read(study.model)


def open_store(study: Study) -> "TensorStore":
    """The study's tensor store; StoreError with the remedy when nothing was read yet."""
    from stforecast.store import TensorStore

    if isinstance(study.store, Path) and not study.store.exists():
        raise StoreError(
            f"there is no tensor store at {study.store}; make it with "
            f"`stforecast ingest{study.flags.replace('--store', '--output')}`"
        )
    return TensorStore.open(study.store)


def name_of_store(store: str | Path) -> str:
    """A name for the study of a store that no experiment names."""
    place = location(str(store))
    absolute = place.absolute() if isinstance(place, Path) else place
    return safe_name(absolute.parent.name if absolute.name == STORE else absolute.stem)


def name_of_files(files: tuple[str, ...]) -> str:
    """A name for the study of files that no experiment names: the first one's, or its folder's.

    Of a pattern, what stands in it beside wild cards.
    """
    place = location(files[0])
    parts = (place.absolute() if isinstance(place, Path) else Path(place.path)).parts
    for part in reversed(parts):
        stem = part
        while (shorter := Path(stem).stem) != stem:
            stem = shorter
        stem = re.sub(r"\[[^]]*\]|[*?]", "", stem)
        if any(char.isalnum() for char in stem):
            return safe_name(stem)
    return safe_name("")
