"""The scores of a run, kept beside it as long as they are those of its weights and data."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import xarray as xr

from stforecast._version import __version__
from stforecast.card import BEST_WEIGHTS
from stforecast.comparison.scoring import hindcast, score
from stforecast.errors import DataError
from stforecast.forecast import load_trained
from stforecast.options import Device, VerificationOptions
from stforecast.store import TensorStore
from stforecast.store.manifest import MANIFEST, sha256
from stforecast.verification.output import read_scores, write_scores

Tell = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Tell | None]]
"""Shows the progress of what is named, while it lasts."""

# Attribute of scores.nc that says of which weights, data and options they are.
_SCORED = "stforecast_scored"


def scores_of(
    run: Path,
    record: TensorStore,
    options: VerificationOptions,
    folder: Path,
    *,
    device: Device,
    identity: str,
    bar: Bar,
) -> xr.Dataset:
    """The scores of a run on its test period, read from `folder` or made and written there.

    They are what `stforecast verify` gives for the run. `identity` is that of the record, see
    :func:`identity_of`.
    """
    made_of = {
        "weights": sha256(run / BEST_WEIGHTS),
        "record": identity,
        "verification": options.model_dump(mode="json"),
        "stforecast": __version__,
    }
    key = json.dumps(made_of, sort_keys=True)
    path = folder / "scores.nc"
    if path.exists():
        try:
            kept = read_scores(path)
        except DataError:
            kept = xr.Dataset()
        if kept.attrs.get(_SCORED) == key:
            return kept
    model = load_trained(run, device)
    with bar(f"scoring {model.card.name}") as tell:
        # a large hindcast is made as it is scored
        forecasts = hindcast(model, record, options, tell)
        scores = score(forecasts, model, record, options, model.card.protocol)
    write_scores(scores.assign_attrs({_SCORED: key}), folder)
    return read_scores(path)


def identity_of(record: TensorStore) -> str:
    """A checksum of all that a record holds."""
    if record.path is not None and (record.path / MANIFEST).is_file():
        return sha256(record.path / MANIFEST)
    digest = hashlib.sha256(record.meta.to_json().encode())
    digest.update(repr(record.axis).encode())
    for sequence in range(record.n_sequences):
        for start in range(0, record.shape[0], 1024):
            stop = min(start + 1024, record.shape[0])
            digest.update(record.read(start, stop, sequence).tobytes())
    return digest.hexdigest()
