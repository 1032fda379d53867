"""From the files a user names to the files there are."""

import glob
import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stforecast.errors import DataError
from stforecast.remote import Location, RemotePath, is_address, local_copy

_PACKAGE = "package:"
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
# Folders between the one named and those with images.
_DEPTH = 3
_EXTRAS = dict.fromkeys(("iris_sample_data", "mlxtend"), "stforecast[demo]")


def find_files(files: Sequence[str | Location], base: Path | None = None) -> list[Location]:
    """The files that paths and patterns mean, each once, in the order given, patterns sorted.

    Paths are relative to `base` (the current folder by default); ``package:NAME/PATH`` lies in an
    installed Python package; ``s3://…`` and other addresses lie elsewhere. DataError for what does
    not exist.
    """
    if not files:
        raise DataError("no files are given; name them on the command line or in data.files")
    found: dict[Location, None] = {}
    for named in files:
        text = named.url if isinstance(named, RemotePath) else str(named)
        for location in _expand(text, base or Path()):
            found.setdefault(location)
    return list(found)


def _expand(text: str, base: Path) -> Iterator[Location]:
    if text.startswith(_PACKAGE):
        text = str(_in_package(text.removeprefix(_PACKAGE)))
    elif text.startswith("file://"):
        text = text.removeprefix("file://")
    elif is_address(text):
        yield from _elsewhere(RemotePath(text))
        return
    path = base / Path(text).expanduser()
    if path.exists():
        _check(path)
        yield path
        return
    if not glob.has_magic(str(path)):
        raise DataError(f"there is no file {path}{_beside(path)}")
    matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=natural_order)
    if not matches:
        raise DataError(f"no file matches {path}; check the folder and the pattern")
    for match in matches:
        _check(match)
        yield match


def _elsewhere(address: RemotePath) -> Iterator[Location]:
    """The files that an address means; whether one without a pattern is there its reader finds."""
    if not address.has_magic():
        yield address
        return
    try:
        matches = address.glob()
    except OSError as error:
        raise DataError(f"{address} cannot be listed: {error.strerror}") from None
    if not matches:
        raise DataError(
            f"no file matches {address}; check the address and the pattern, or name the files "
            "where their server lists none"
        )
    yield from sorted(matches, key=natural_order)


def _check(path: Path) -> None:
    if path.is_dir():
        if not is_zarr(path) and next(image_folders(path), None) is None:
            raise DataError(
                f"{path} is a folder; name the files in it, such as '{path}/*.nc' (of folders only "
                "Zarr stores and images can be read)"
            )
        return
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"{path} is empty; get it again")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def on_this_machine(location: Location) -> Path:
    """The path of a file, or of a copy of one that lies elsewhere; DataError if it cannot be got.

    Copies go when the process ends.
    """
    if isinstance(location, Path):
        return location
    try:
        return local_copy(location)
    except OSError as error:
        raise DataError(f"{location} cannot be read: {error.strerror or error}") from None


def natural_order(path: Location) -> list[tuple[int, str]]:
    """A key that sorts paths as people do: numbers in them by their value, 2 before 10."""
    parts = re.split(r"(\d+)", path.as_posix() if isinstance(path, Path) else str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def image_paths(folder: Path) -> list[Path]:
    """The images that lie in a folder, by their names, in natural order."""
    found = [path for path in folder.iterdir() if _is_image(path)]
    return sorted(found, key=natural_order)


def image_folders(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """The folders that images lie in: this one, or those beneath it, in natural order."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    if any(_is_image(path) for path in entries):
        yield folder
    elif depth:
        beneath = [path for path in entries if path.is_dir() and not path.name.startswith(".")]
        for path in sorted(beneath, key=natural_order):
            yield from image_folders(path, depth - 1)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _IMAGES and not path.name.startswith(".")


def is_zarr(path: Location) -> bool:
    """Whether a folder is a Zarr group or array; OSError where its server does not tell."""
    return any(
        (path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata", ".zarray")
    )


def is_zarr_array(path: Location) -> bool:
    """Whether a Zarr folder is an array by itself, without the names and coordinates of a group."""
    described = path / "zarr.json"
    if described.is_file():
        try:
            return bool(json.loads(described.read_text())["node_type"] == "array")
        except (OSError, ValueError, KeyError, TypeError):
            return False  # broken, which is for its reader to say
    return (path / ".zarray").is_file()


def _beside(path: Path) -> str:
    """A hint at a file of nearly that name."""
    import difflib

    if not path.parent.is_dir():
        return f", nor a folder {path.parent}"
    close = difflib.get_close_matches(path.name, (item.name for item in path.parent.iterdir()), n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def _in_package(text: str) -> Path:
    name, _, inside = text.partition("/")
    name = name.replace("-", "_")
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except ImportError:
        spec = None
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    if not folders:
        raise DataError(
            f"the Python package {name} of {_PACKAGE}{text} is not installed; run pip install "
            f"'{_EXTRAS.get(name, name)}'"
        )
    return Path(folders[0]) / inside
