"""Checking a store: everything that is broken is named, and nothing else."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from zarr.errors import ZarrUserWarning

import stforecast as sf
from stforecast import folders, names
from stforecast.cli.main import program
from stforecast.errors import StoreError
from stforecast.remote import RemotePath
from stforecast.store import StoreMeta, write_store
from stforecast.store import manifest as manifests
from stforecast.store.check import check
from tests.helpers import make_store
from tests.remote.servers import served


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("stforecast.store.layout._SHARD_BYTES", 2 * 6 * 8 * 4 * 20)
    monkeypatch.setattr("stforecast.store.layout._CHUNK_STEPS", 4)


@pytest.fixture
def path(tmp_path) -> Path:
    """Five shards of 20 hours, the third of them without values."""
    missing = (np.arange(100) // 20 == 2)[:, None, None, None]
    store = make_store(100, channels=2, missing=missing, absent=[3, 97])
    write_store(store.dataset, tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def keys(path: Path) -> list[str]:
    found = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    return sorted(found)


def flip(file: Path, at: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << bit
    file.write_bytes(bytes(content))


def in_order_of_manifest(path: Path) -> None:
    """Let the manifest agree with what is there, as if it had been written so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)
    manifests.write_manifest(path)


class TestWhole:
    @pytest.mark.parametrize("quick", [False, True])
    def test_it_is_told_what_there_is(self, path, quick):
        told = []
        found = check(path, quick=quick, progress=lambda done, total: told.append((done, total)))
        assert found
        assert not found.problems
        assert not found.notes
        assert (found.shards, found.empty) == (4, 1)
        assert found.files == len(keys(path)) - 1
        assert found.span == "2000-01-01 to 2000-01-05 03:00"
        assert told == [(n + 1, found.files) for n in range(found.files)]
        assert found.sentence == ""
        assert found.summary.endswith(
            f"4 shards {'present' if quick else 'read and counted'}, 1 without values, "
            "2000-01-01 to 2000-01-05 03:00"
        )

    @pytest.mark.parametrize(
        "kind",
        [
            {"sequences": 7, "n": 30, "height": 16, "width": 16},
            {"step": "1M", "calendar": "360_day", "start": "1850-01-16"},
            {"n": 3, "height": 1, "width": 1},
            {"missing": 0.3, "channels": 3, "n": 50},
        ],
    )
    def test_other_records(self, tmp_path, kind):
        write_store(make_store(**kind).dataset, tmp_path / "a.zarr")
        assert check(tmp_path / "a.zarr").problems == []

    def test_large_shards_are_read_in_pieces(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stforecast.store.shards._PIECE", 5000)
        write_store(make_store(90, channels=3, height=11, width=13).dataset, tmp_path / "a.zarr")
        write_store(make_store(20, sequences=9, height=8, width=8).dataset, tmp_path / "b.zarr")
        assert check(tmp_path / "a.zarr").problems == []
        assert check(tmp_path / "b.zarr").problems == []

    def test_a_replacement_that_was_cut_off_is_found(self, path):
        owner = f"0@{os.uname().nodename}"
        path.rename(path.with_name(f".a.zarr.previous-{owner}"))
        assert check(path)


class TestBroken:
    @pytest.mark.parametrize("fault", ["lost", "cut", "flipped"])
    def test_every_file_is_named_alone(self, path, fault):
        for key in keys(path):
            if key == manifests.MANIFEST:
                continue
            file = path / key
            content = file.read_bytes()
            match fault:
                case "lost":
                    file.unlink()
                case "cut":
                    file.write_bytes(content[:-1])
                case _:
                    flip(file, len(content) // 2, bit=3)
            found = check(path)
            assert not found
            assert [problem.part for problem in found.problems] == [key], key
            assert (
                found.problems[0].fault
                == {
                    "lost": "is missing",
                    "cut": f"has {len(content) - 1} bytes instead of {len(content)}",
                    "flipped": "has other bytes than were written",
                }[fault]
            )
            if not (fault == "flipped" and key.startswith("data/c/")):
                assert [problem.part for problem in check(path, quick=True).problems] == [key]
            file.write_bytes(content)
        assert check(path)

    def test_all_are_named_with_their_times(self, path):
        (path / "data/c/0/0/0/0").unlink()
        flip(path / "data/c/4/0/0/0", 100)
        (path / "data/c/2/0/0").mkdir(parents=True)
        (path / "data/c/2/0/0/0").write_bytes(b"x")
        flip(path / "lat/c/0", 4)
        found = check(path)
        assert [(problem.part, problem.covers) for problem in found.problems] == [
            ("data/c/0/0/0/0", "2000-01-01 to 2000-01-01 19:00"),
            ("data/c/2/0/0/0", "2000-01-02 16:00 to 2000-01-03 11:00"),
            ("data/c/4/0/0/0", "2000-01-04 08:00 to 2000-01-05 03:00"),
            ("lat/c/0", ""),
        ]
        assert found.sentence == (
            f"the store {path} is broken (data/c/0/0/0/0 is missing: 2000-01-01 to 2000-01-01 "
            "19:00 and 3 more); bring back what is named from a copy, or make the store anew with "
            "stforecast ingest --overwrite"
        )

    def test_sequences_are_told(self, tmp_path):
        write_store(make_store(20, sequences=9, height=16, width=16).dataset, tmp_path / "a.zarr")
        shard = sorted((tmp_path / "a.zarr/data/c").iterdir())[1] / "0/0/0/0"
        shard.unlink()
        assert check(tmp_path / "a.zarr").problems[0].covers.startswith("sequence 1, 2000")

    def test_times_that_are_broken_are_told_as_steps(self, path):
        flip(path / "time/c/0", 20)
        (path / "data/c/1/0/0/0").unlink()
        found = {problem.part: problem.covers for problem in check(path).problems}
        assert found["data/c/1/0/0/0"] == "steps 20 to 39"
        assert found["time/c/0"] == "steps 0 to 99"

    @pytest.mark.parametrize("text", [None, "{", "[]", '{"files": {"a": 1}}'])
    def test_without_a_manifest_shards_are_still_read(self, path, text):
        (path / manifests.MANIFEST).unlink()
        if text is not None:
            (path / manifests.MANIFEST).write_text(text)
        shard = path / "data/c/1/0/0/0"
        shard.write_bytes(shard.read_bytes()[:-9])
        found = check(path)
        assert [problem.part for problem in found.problems] == ["data/c/1/0/0/0", "manifest.json"]
        assert "cannot be decoded" in found.problems[0].fault
        assert ("is missing" if text is None else "understood") in found.problems[1].fault

    def test_every_flipped_byte_of_the_manifest_is_noticed(self, path):
        file = path / manifests.MANIFEST
        content = file.read_bytes()
        for at in range(0, len(content), 97):
            flip(file, at, bit=at % 7)
            assert not check(path, quick=False), at
            file.write_bytes(content)

    def test_a_shard_that_the_manifest_never_listed_is_told(self, path):
        manifest = json.loads((path / "manifest.json").read_text())
        del manifest["files"]["data/c/3/0/0/0"]
        manifest["empty"] = []
        (path / "manifest.json").write_text(json.dumps(manifest))
        assert [(problem.part, problem.fault) for problem in check(path).problems] == [
            ("data/c/2/0/0/0", "is not in the manifest"),
            ("data/c/3/0/0/0", "is not in the manifest"),
        ]

    def test_values_are_held_against_their_counts(self, path):
        """A lost shard, or one written by other hands, that the manifest agrees with."""
        (path / "data/c/1/0/0/0").unlink()
        zarr.open_array(path / "data", mode="r+")[85, 1, 2, 3] = np.nan
        in_order_of_manifest(path)
        found = check(path)
        assert [problem.part for problem in found.problems] == [names.DATA]
        assert found.problems[0].covers == (
            "2000-01-01 20:00, 2000-01-01 21:00, 2000-01-01 22:00 and 18 more"
        )

    def test_missing_values_of_each_cell_are_held_against_their_counts(self, path):
        zarr.open_array(path / "missing", mode="r+")[0, 2, 3] += 1
        in_order_of_manifest(path)
        found = check(path)
        assert [str(problem) for problem in found.problems] == [
            "missing tells other numbers of missing values than there are"
        ]

    def test_counts_and_absent_times_must_be_possible(self, path):
        zarr.open_array(path / "absent", mode="r+")[10] = 1
        zarr.open_array(path / "valid_cells", mode="r+")[50, 0] = 49
        in_order_of_manifest(path)
        found = check(path, quick=True)
        assert {problem.part: problem.covers for problem in found.problems} == {
            "absent": "2000-01-01 10:00",
            "valid_cells": "2000-01-03 02:00",
        }

    def test_times_in_disorder_are_told(self, path):
        times = zarr.open_array(path / "time", mode="r+")
        times[5:7] = times[5:7][::-1]
        in_order_of_manifest(path)
        assert [str(problem) for problem in check(path).problems] == ["time is not in order"]

    def test_a_description_that_no_store_has_is_told(self, path):
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        group.attrs[names.META_ATTRIBUTE] = "{}"
        in_order_of_manifest(path)
        found = check(path)
        assert [problem.part for problem in found.problems] == ["zarr.json"]
        assert "readable description" in found.problems[0].fault

    @pytest.mark.parametrize("content", [None, "file", "folder", "zarr"])
    def test_what_is_no_store_is_one_sentence(self, tmp_path, content):
        place = tmp_path / "a"
        match content:
            case "file":
                place.write_text("thesis")
            case "folder":
                place.mkdir()
            case "zarr":
                zarr.open_group(place, mode="w")
        with pytest.raises(StoreError, match=r"there is no tensor store at|is not a tensor store"):
            check(place)


class TestAround:
    def test_leftovers_are_told(self, path):
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            pass
        host = os.uname().nodename
        dead = path.with_name(f".a.zarr.partial-{gone.pid}@{host}")
        dead.mkdir()
        path.with_name(f".a.zarr.partial-{os.getppid()}@{host}").mkdir()
        found = check(path)
        assert found
        assert sorted(found.notes) == sorted(
            [
                f"{dead.name} beside it was left by a write that did not end",
                f".a.zarr.partial-{os.getppid()}@{host} beside it is being written",
            ]
        )

    def test_only_a_leftover_is_no_store(self, path):
        left = folders.partial_beside(path)
        path.rename(left)
        (left / manifests.MANIFEST).unlink()
        with pytest.raises(StoreError, match=r"only \.a\.zarr\.partial-.*; run stforecast ingest"):
            check(path)
        assert [problem.part for problem in check(left).problems] == ["manifest.json"]

    def test_strange_files_are_told_and_break_nothing(self, path):
        (path / ".DS_Store").write_text("x")
        found = check(path)
        assert found
        assert found.notes == ["not of the store: .DS_Store"]

    @pytest.fixture
    def sources(self, tmp_path) -> tuple[Path, list[Path]]:
        files = [tmp_path / "a.nc", tmp_path / "b.nc", tmp_path / "c.zarr"]
        for file in files[:2]:
            file.write_bytes(b"abc")
        files[2].mkdir()
        (files[2] / "x").write_bytes(b"abc")
        for file in (*files[:2], files[2] / "x"):
            os.utime(file, (0, 1_000_000_000.25))
        dataset = make_store().dataset
        meta = StoreMeta.from_json(dataset.attrs[names.META_ATTRIBUTE])
        meta.sources = [
            {"path": str(file), "size": 3, "mtime": "2001-09-09T01:46:40+00:00"} for file in files
        ]
        dataset.attrs[names.META_ATTRIBUTE] = meta.to_json()
        write_store(dataset, tmp_path / "s.zarr")
        return tmp_path / "s.zarr", files

    def test_sources_that_are_as_they_were(self, sources):
        found = check(sources[0], sources=True)
        assert found
        assert found.sources == []

    def test_sources_that_changed(self, sources):
        store, files = sources
        files[0].unlink()
        files[1].write_bytes(b"abcd")
        os.utime(files[2] / "x", (0, 1_000_000_002))
        found = check(store)
        assert found
        assert [str(source) for source in found.sources] == [
            f"{files[0]} is gone",
            f"{files[1]} has changed its size",
            f"{files[2]} was written again",
        ]
        strict = check(store, sources=True)
        assert not strict
        assert strict.sentence.startswith(f"the store {store} is whole, but not all")
        assert "and 2 more" in strict.sentence


class TestAddresses:
    @pytest.mark.parametrize("kind", ["http", "s3"])
    def test_a_store_elsewhere(self, path, kind, s3, request):
        with served(path.parent) as server:
            address = f"{server.url}/a.zarr"
            if kind == "s3":
                address = f"{s3}/{request.node.name.partition('[')[0]}/a.zarr"
                for key in keys(path):
                    (RemotePath(address) / key).write_bytes((path / key).read_bytes())
            found = check(address)
            assert found.problems == []
            assert (found.shards, found.empty) == (4, 1)
            with pytest.raises(
                StoreError, match=r"is not a tensor store|there is no|cannot be read"
            ):
                check(f"{address}2")
            lost, changed = "data/c/0/0/0/0", "data/c/3/0/0/0"
            flip(path / changed, 50)
            (path / lost).unlink()
            if kind == "s3":
                (RemotePath(address) / lost).remove()
                (RemotePath(address) / changed).write_bytes((path / changed).read_bytes())
            assert [(problem.part, problem.fault) for problem in check(address).problems] == [
                (lost, "is missing"),
                (changed, "has other bytes than were written"),
            ]


class TestCommand:
    def test_a_whole_store(self, path):
        result = CliRunner().invoke(program, ["check", str(path)])
        assert result.exit_code == 0
        assert f"{path} is whole" in result.output

    def test_a_broken_store(self, path, capfd):
        (path / "data/c/1/0/0/0").unlink()
        (path / "data/c/3/0/0/0").unlink()
        result = CliRunner().invoke(program, ["check", str(path), "--quick"])
        assert result.exit_code == 1
        for key in ("data/c/1/0/0/0", "data/c/3/0/0/0"):
            assert key in result.stdout
        assert result.stderr.startswith(f"Error: the store {path} is broken (data/c/1/0/0/0 is ")
        assert len(result.stderr.splitlines()) == 1

    def test_from_python(self, path):
        assert sf.check(path, quick=True)
        assert "check" in dir(sf)
