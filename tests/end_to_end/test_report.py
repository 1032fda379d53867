"""`verify --report`: of a run, and of files of anybody."""

import hashlib
from pathlib import Path

from tests.report.test_report import Page


def page(path):
    return Page(Path(path).read_text("utf-8"))


def test_a_run_and_files_have_a_report(made):
    told = made.works("verify", "--report", "--set", "verification.references=persistence").stdout
    assert "Report: runs/small/verification/report.html" in told
    shown = page("runs/small/verification/report.html")
    for text in (
        "small (model simvp) forecasts",
        "Best and worst case",
        "Where the errors are",
        "Patterns of all sizes",
        "The run small",
        "seed",
        "trained on",
        "stforecast verify --report --set verification.references=persistence",
        hashlib.sha256(Path("small.nc").read_bytes()).hexdigest(),
    ):
        assert text in shown.text
    assert any(label.startswith("Maps of") for label in shown.labels)

    # the word after --report names a page, or else it is a forecast
    hindcast = "runs/small/verification/hindcast.nc"
    files = ("--observations", "small.nc", "--output", "again")
    told = made.works("verify", "--report", hindcast, *files).stdout
    assert "Report: again/report.html" in told
    shown = page("again/report.html")
    assert hashlib.sha256(Path(hindcast).read_bytes()).hexdigest() in shown.text
    assert "The forecast small" in shown.text
    told = made.works("verify", hindcast, "--report", "deep/page.html", *files).stdout
    assert "Report: deep/page.html" in told
    assert Path("deep/page.html").exists()
