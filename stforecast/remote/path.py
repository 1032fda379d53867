"""An address with the manners of a path."""

import errno
import glob
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal

from stforecast.errors import first_line
from stforecast.remote.failures import MissingPackageError, telling

if TYPE_CHECKING:
    from stforecast.remote.file import RemoteFile

_HTTP = ("http", "https")
# What the extra "remote" brings packages for.
_IN_EXTRA = (*_HTTP, "s3", "s3a", "gs", "gcs")
_LOGGERS = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs", "s3a": "s3fs"}
_AUTHORITY = re.compile(r"(?<=://)[^/?#@]*@")
# Seconds that a server has to answer a question about a file.
_PATIENCE = 60


def is_address(text: str) -> bool:
    """Whether a text names something by an address, such as ``s3://bucket/a.nc``."""
    return "://" in text and not text.startswith("file://")


def location(text: "str | Path | RemotePath") -> "Location":
    """A path on this machine, or an address that no path can hold."""
    if isinstance(text, (Path, RemotePath)):
        return text
    return RemotePath(text) if is_address(text) else Path(text.removeprefix("file://"))


@dataclass(frozen=True)
class Told:
    """What a server tells of a file without sending it: size in bytes, when changed, its tag.

    `parts` says whether it sends parts of the file when asked to.
    """

    size: int | None
    changed: datetime | None
    tag: str | None
    parts: bool


class RemotePath:
    """A file or folder at an address of any file system that fsspec knows.

    ``url`` is what opens it; ``str()`` leaves out user, password and query, which may be secrets.
    Failures are OSErrors whose ``strerror`` is fit to be shown. What was once asked is kept with
    the object, so a new one is made to look again.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __str__(self) -> str:
        return _AUTHORITY.sub("", self._split[0])

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return RemotePath, (self.url,)

    def __truediv__(self, key: str) -> "RemotePath":
        """What lies beneath: the key is put behind the path, before any query."""
        path, query = self._split
        return RemotePath(f"{path.rstrip('/')}/{key.strip('/')}{query}")

    @property
    def protocol(self) -> str:
        """The kind of address, such as ``s3``."""
        return self.url.partition("://")[0].rpartition("::")[2].lower()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self._split[0].partition("://")[2]).name

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of the name with its dot, or nothing."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """What it lies in."""
        path, query = self._split
        return RemotePath(path.rstrip("/").rpartition("/")[0] + query)

    @property
    def is_http(self) -> bool:
        """Whether it is a plain web address, whose server lists nothing for sure."""
        return self.protocol in _HTTP

    @cached_property
    def fs(self) -> Any:
        """The file system of fsspec; MissingPackageError without the package for it."""
        from fsspec import available_protocols
        from fsspec.core import url_to_fs

        if self.protocol not in available_protocols():
            known = "write s3, gs, https or another that fsspec has"  # told() leaves addresses out
            raise OSError(errno.EINVAL, f"nobody knows how to reach {self.protocol}:; {known}")
        # fsspec's own write what they retry, with tracebacks, where nobody asked to be told
        logging.getLogger(_LOGGERS.get(self.protocol, "fsspec")).addHandler(logging.NullHandler())
        try:
            with telling(self.protocol):
                return url_to_fs(self.url)[0]
        except ImportError as error:
            words = f"{self.protocol}:// needs a package that is not installed"
            if self.protocol in _IN_EXTRA:
                words += "; run pip install 'stforecast[remote]'"
            else:
                words += f" ({first_line(error)[:200]})"
            raise MissingPackageError(errno.EIO, words) from None

    @cached_property
    def path(self) -> str:
        """The path within its file system."""
        return str(self.fs._strip_protocol(self.url))

    @cached_property
    def told(self) -> Told:
        """What the server tells of the file; FileNotFoundError where there is none."""
        with telling(self.protocol):
            if self.is_http:
                return _ask(self.fs, self.path)
            info = self.fs.info(self.path)
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        changed = next((info[key] for key in _CHANGED if info.get(key)), None)
        tag = next((str(info[key]) for key in _TAG if info.get(key)), None)
        return Told(_whole(info.get("size")), _moment(changed), tag, parts=True)

    def look(self) -> Told:
        """What its server tells of it now; of a Zarr folder what it tells of its description.

        FileNotFoundError where there is nothing.
        """
        try:
            return RemotePath(self.url).told
        except (FileNotFoundError, IsADirectoryError):
            for name in _DESCRIPTIONS:
                described = self / name
                if described.is_file():
                    return replace(described.told, size=None)
            raise

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the file, at most 1024."""
        if self.told.parts:
            return self.read_bytes(0, 1024)
        from stforecast.remote.copies import local_copy

        with local_copy(self).open("rb") as file:
            return file.read(1024)

    def is_file(self) -> bool:
        """Whether there is a file; OSError where that cannot be found out."""
        try:
            return self.told is not None
        except (FileNotFoundError, IsADirectoryError):
            return False

    def is_dir(self) -> bool:
        """Whether something lies beneath, as far as the server lists what there is."""
        with telling(self.protocol):
            return not self.is_http and bool(self.fs.isdir(self.path))

    def exists(self) -> bool:
        """Whether there is a file, or a folder with something in it."""
        return self.is_file() or self.is_dir()

    def read_bytes(self, start: int | None = None, stop: int | None = None) -> bytes:
        """The content, or the part ``start … stop - 1`` of it as far as it is there."""
        with telling(self.protocol):
            content = bytes(self.fs.cat_file(self.path, start=start, end=stop))
        if start is not None and stop is not None and len(content) > stop - start:
            raise OSError(errno.EIO, "the server sends other parts of the file than asked for")
        return content

    def read_text(self) -> str:
        """The content as text in UTF-8."""
        return self.read_bytes().decode()

    def write_bytes(self, content: bytes) -> None:
        """Put a file there."""
        with telling(self.protocol):
            self.fs.pipe_file(self.path, content)

    def put(self, file: Path) -> None:
        """Put a file of this machine there."""
        with telling(self.protocol):
            self.fs.put_file(str(file), self.path)

    def remove(self, *, recursive: bool = False) -> None:
        """Remove the file, or all that lies beneath."""
        with telling(self.protocol):
            self.fs.rm(self.path, recursive=recursive)

    def get(self, file: Path) -> None:
        """Bring the file to a path on this machine."""
        with telling(self.protocol):
            self.fs.get_file(self.path, str(file))

    def open(self, mode: Literal["rb"] = "rb") -> "RemoteFile | IO[bytes]":
        """The file to be read at any place, through a cache that all such files share."""
        from stforecast.remote.copies import local_copy
        from stforecast.remote.file import RemoteFile

        return RemoteFile(self) if self.told.parts else local_copy(self).open(mode)

    def has_magic(self) -> bool:
        """Whether the address is a pattern; the ``?`` of a query is none."""
        path, _ = self._split
        return glob.has_magic(path.partition("://")[2])

    def glob(self) -> list["RemotePath"]:
        """The files and folders that a pattern means, where the server lists them."""
        path, query = self._split
        with telling(self.protocol):
            found = self.fs.glob(self.fs._strip_protocol(path))
            names = [self.fs.unstrip_protocol(name) for name in found]
        return [RemotePath(name + query) for name in names]

    def sizes(self, keys: list[str]) -> dict[str, int | None]:
        """Sizes of files that lie beneath, in bytes; None for one that is not there."""
        if self.is_http:
            return self._asked(keys)
        with telling(self.protocol):
            self.fs.invalidate_cache(self.path)
            found = self.fs.find(self.path, detail=True)
        root = self.path.rstrip("/") + "/"
        sizes = {
            str(name).removeprefix(root): _whole(info.get("size")) for name, info in found.items()
        }
        return {key: sizes.get(key) for key in keys}

    def contents(self, keys: list[str]) -> dict[str, bytes]:
        """The content of files that lie beneath, fetched at once; OSError if one is not there."""
        paths = {(self / key).path: key for key in keys}
        with telling(self.protocol):
            found = self.fs.cat(list(paths))
        return {key: bytes(found[path]) for path, key in paths.items()}

    def _asked(self, keys: list[str]) -> dict[str, int | None]:
        from fsspec.asyn import _run_coros_in_chunks, sync

        async def ask() -> list[Any]:
            questions = [_look(self.fs, (self / key).path) for key in keys]
            answers: list[Any] = await _run_coros_in_chunks(questions, return_exceptions=True)
            return answers

        sizes: dict[str, int | None] = {}
        with telling(self.protocol):
            for key, answer in zip(keys, sync(self.fs.loop, ask), strict=True):
                if isinstance(answer, FileNotFoundError):
                    sizes[key] = None
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    sizes[key] = answer.size
        return sizes

    @property
    def _split(self) -> tuple[str, str]:
        """The address up to its path, and the query that some kinds have."""
        if not self.is_http and "?" in self.url:
            path, mark, query = self.url.rpartition("?")
            return (path, mark + query) if "=" in query else (self.url, "")
        path, mark, query = self.url.partition("?")
        return path, mark + query


Location = Path | RemotePath

# What a Zarr folder is described by.
_DESCRIPTIONS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")
_CHANGED = ("LastModified", "mtime", "updated", "last_modified", "created", "modified")
_TAG = ("ETag", "etag", "md5Hash", "checksum")


def _ask(fs: Any, url: str) -> Told:
    from fsspec.asyn import sync

    answer: Told = sync(fs.loop, _look, fs, url, timeout=_PATIENCE)
    return answer


async def _look(fs: Any, url: str) -> Told:
    """Ask a web server for the first byte: the answer tells all there is to know."""
    session = await fs.set_session()
    arguments = {**fs.kwargs, "headers": dict(fs.kwargs.get("headers", {}))}
    arguments["headers"] |= {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), **arguments) as answer:
        if answer.status == 416:  # of a file without bytes there is no first one
            return Told(0, None, None, parts=False)
        fs._raise_not_found_for_status(answer, url)
        headers: Mapping[str, str] = answer.headers
        size = headers.get("Content-Length")
        if answer.status == 206:
            size = headers.get("Content-Range", "").rpartition("/")[2]
        return Told(
            _whole(size),
            _moment(headers.get("Last-Modified")),
            headers.get("ETag"),
            parts=answer.status == 206 and _whole(size) is not None,
        )


def _whole(size: Any) -> int | None:
    try:
        return int(size)
    except (TypeError, ValueError):
        return None


def _moment(text: Any) -> datetime | None:
    """A date as any of the services writes it."""
    if isinstance(text, (int, float)):
        return datetime.fromtimestamp(text, UTC)
    if isinstance(text, str):
        for read in (parsedate_to_datetime, datetime.fromisoformat):
            try:
                text = read(text)
                break
            except (TypeError, ValueError):
                continue
    if not isinstance(text, datetime):
        return None
    return text if text.tzinfo else text.replace(tzinfo=UTC)
