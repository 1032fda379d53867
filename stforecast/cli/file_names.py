"""Data files as an experiment file names them."""

import os
from collections.abc import Sequence
from pathlib import Path

from stforecast.remote import is_address


def as_patterns(files: Sequence[str]) -> list[str]:
    """Many files of a folder as one pattern, where it means just these files."""
    kept: list[str] = []
    by_kind: dict[tuple[Path, str], list[str]] = {}
    for name in files:
        if is_address(name):
            kept.append(name)
            continue
        by_kind.setdefault((Path(name).parent, Path(name).suffix), []).append(name)
    for (folder, suffix), group in by_kind.items():
        pattern = f"*{suffix}"
        if len(group) > 3 and {Path(name) for name in group} == set(folder.glob(pattern)):
            kept.append(str(folder / pattern))
        else:
            kept += group
    return kept


def relative_to(files: Sequence[str], folder: Path) -> list[str]:
    """Files seen from the working directory, as an experiment file in `folder` names them."""
    return [
        name
        if name.startswith("package:") or is_address(name) or os.path.isabs(name)
        else os.path.relpath(name, folder)
        for name in files
    ]
