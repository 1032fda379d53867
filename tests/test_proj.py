"""pyproj beside ecCodes, whose wheels bring clashing copies of PROJ."""

import subprocess
import sys

import pytest


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_coordinate_systems_work_after_eccodes_is_loaded():
    pytest.importorskip("eccodes")
    done = run(
        "import stforecast, eccodes, pyproj; "
        "assert pyproj.CRS('EPSG:27700').name; "
        "pyproj.Transformer.from_crs(4326, 27700).transform(50, 1)"
    )
    assert done.returncode == 0, done.stderr


def test_the_wrong_order_is_told():
    pytest.importorskip("eckitlib")
    done = run("import warnings, eccodes; warnings.simplefilter('error'); import stforecast")
    assert done.returncode != 0
    assert "import stforecast or pyproj first" in done.stderr
