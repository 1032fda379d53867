"""The IOOS compliance checker, without a network."""

import json
import socket
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    CheckSuite.load_all_available_checkers()


def _no_network(*_: Any, **__: Any) -> None:
    raise AssertionError("the compliance checker went to the network")


def check_cf(path: Path) -> dict[str, Any]:
    """The checker's report on a file for CF 1.11, as its JSON has it."""
    report = path.with_suffix(".cf.json")
    with (
        mock.patch.object(socket.socket, "connect", _no_network),
        mock.patch.object(socket, "getaddrinfo", _no_network),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        ComplianceChecker.run_checker(
            str(path),
            ["cf:1.11"],
            verbose=0,
            criteria="normal",
            output_filename=str(report),
            output_format="json",
        )
    found: dict[str, Any] = json.loads(report.read_text())["cf:1.11"]
    return found


def cf_errors(path: Path) -> list[str]:
    """What breaks the conventions in a file; none when the checker counts no such thing."""
    report = check_cf(path)
    messages = [
        f"{finding['name']}: {message}"
        for finding in report["high_priorities"]
        for message in finding["msgs"]
    ]
    return messages if report["high_count"] else []
