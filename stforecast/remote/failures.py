"""What file systems on other machines raise, as errors of the system with a reason in words."""

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

# The packages whose errors mean that an address failed, and not that this program is wrong.
_LIBRARIES = {
    "adlfs",
    "aiobotocore",
    "aiohttp",
    "azure",
    "botocore",
    "fsspec",
    "gcsfs",
    "google",
    "requests",
    "s3fs",
    "urllib3",
}
_NO_CONNECTION = (
    "ClientConnectorError",
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "NameResolutionError",
)
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
    "RefreshError",
    "ProfileNotFound",
)
_DENIED = ("permission", "forbidden", "unauthorized", "access denied", "anonymous caller")
_ANONYMOUS = {"s3": "FSSPEC_S3_ANON=true", "gs": "FSSPEC_GS_TOKEN=anon"}
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>)]*", re.IGNORECASE)


class MissingPackageError(OSError):
    """The package that reaches this kind of address is not installed."""


def is_failure(error: BaseException) -> bool:
    """Whether an error is one of the system, or of a library that reaches other machines."""
    return isinstance(error, OSError) or _library(error) in _LIBRARIES


def told(error: BaseException, protocol: str = "") -> OSError:
    """The same failure as an error of the system whose ``strerror`` is fit to be shown.

    FileNotFoundError, PermissionError, ConnectionError and TimeoutError where it is one of these.
    Nothing of an address but its host and path is in the words.
    """
    chain = list(_causes(error))
    kinds = [type(item).__name__ for item in chain]
    status = next((int(code) for code in map(_status, chain) if code is not None), None)
    text = " ".join(str(item) for item in chain).lower()
    if isinstance(error, MissingPackageError):
        return error
    if any(kind in _NO_CONNECTION for kind in kinds) or any(
        isinstance(item, (ConnectionRefusedError, socket.gaierror)) for item in chain
    ):
        return ConnectionError(
            errno.ECONNREFUSED,
            "no connection; check the address, the network and whether the server runs",
        )
    if (
        any(kind in _NO_CREDENTIALS for kind in kinds)
        or status in (401, 403)
        or any(isinstance(item, PermissionError) for item in chain)
        or (status is None and any(word in text for word in _DENIED))
    ):
        return PermissionError(errno.EACCES, f"no permission; {_credentials(protocol)}")
    if "nosuchbucket" in text or "bucket does not exist" in text:
        return FileNotFoundError(errno.ENOENT, "there is no such bucket; check its name")
    if status in (404, 410) or (
        isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
        and (len(chain) == 1 or status is None)
    ):
        return FileNotFoundError(errno.ENOENT, "there is no such file; check the address")
    if any(isinstance(item, TimeoutError) or "Timeout" in type(item).__name__ for item in chain):
        return TimeoutError(errno.ETIMEDOUT, "the server does not answer in time; try again")
    if status is not None:
        return OSError(errno.EIO, f"the server answers with status {status}")
    return OSError(errno.EIO, _words(chain[-1] if str(chain[-1]) else error))


@contextmanager
def telling(protocol: str) -> Iterator[None]:
    """Let failures of a file system leave as :func:`told` tells them."""
    try:
        yield
    except Exception as error:
        if not is_failure(error) and not isinstance(error, (ValueError, RuntimeError)):
            raise
        raise told(error, protocol) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _status(error: BaseException) -> int | None:
    """The status that a server answered with, as aiohttp, gcsfs and botocore keep it."""
    for name in ("status", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status if isinstance(status, int) and status >= 400 else None
    return None


def _credentials(protocol: str) -> str:
    words = "set the credentials as the tools of that service do"
    anonymous = _ANONYMOUS.get(protocol)
    return f"{words}, or {anonymous} for public data" if anonymous else words


def _words(error: BaseException) -> str:
    """The first line of what a library says, without what addresses in it may give away."""
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return _ADDRESS.sub("the address", lines[0])[:200] if lines else type(error).__name__
