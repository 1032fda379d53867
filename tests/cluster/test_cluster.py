"""Clusters that run, that are started, that are not there; and work spread over them."""

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dask
import dask.array
import pytest
from distributed import Client, LocalCluster, Scheduler, SpecCluster

from stforecast import cluster
from stforecast.cluster.interrupts import made_whole
from stforecast.cluster.start import _arguments, _check_versions
from stforecast.config import experiment_of
from stforecast.errors import ClusterError, ConfigError, DataError, StForecastWarning
from stforecast.options import ClusterOptions

_QUIET = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


def where(number):
    return number, os.getpid()


def backwards(number, count):
    time.sleep(0.02 * (count - number))
    return number


def once_killed(number, marks):
    """The third block kills its worker the first time it is done."""
    mark = Path(marks) / str(number)
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def always_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def wrong(number):
    raise DataError(f"block {number} is wrong; mend it")


def computing():
    """What a block may do: compute with dask, ask for a cluster, warn."""
    warnings.warn("nobody hears", StForecastWarning, stacklevel=1)
    total = int(dask.array.ones((8, 4), chunks=(2, 4)).sum().compute())
    return total, cluster.current_client() is None


def counted(key, calls):
    def make():
        with open(calls, "a") as file:
            file.write("made\n")
        return object()

    cluster.once(key, make)
    return os.getpid()


def test_without_a_cluster_work_is_done_here_one_block_after_the_other():
    with cluster.running() as client:
        assert client is None
        assert cluster.current_client() is None
        found = list(cluster.spread(where, [(1,), (2,)]))
    assert found == [(1, os.getpid()), (2, os.getpid())]


def test_results_come_in_order_from_other_processes(scheduler):
    with cluster.running(scheduler) as client:
        assert cluster.current_client() is client
        found = list(cluster.spread(where, ((number,) for number in range(9))))
        assert list(cluster.spread(backwards, [(n, 4) for n in range(4)])) == [0, 1, 2, 3]
        loose = cluster.spread(backwards, [(n, 4) for n in range(4)], ordered=False)
        assert sorted(loose) == [0, 1, 2, 3]
    assert [number for number, _ in found] == list(range(9))
    assert os.getpid() not in {process for _, process in found}
    assert cluster.current_client() is None


def test_blocks_are_taken_as_work_gets_done(scheduler):
    taken = []

    def blocks():
        for number in range(100):
            taken.append(number)
            yield (number,)

    with cluster.running(scheduler):
        results = cluster.spread(where, blocks())
        next(results)
        assert len(taken) <= 8
        results.close()


def test_what_a_process_computes_beside_the_blocks_stays_in_it(scheduler):
    with cluster.running(scheduler):
        seen = dask.compute(dask.delayed(os.getpid)(), scheduler=None)
    assert seen == (os.getpid(),)


def test_the_users_own_client_is_a_cluster(scheduler):
    with Client(scheduler) as own:
        assert cluster.current_client() is own
        assert all(process != os.getpid() for _, process in cluster.spread(where, [(1,), (2,)]))
    assert cluster.current_client() is None


def test_a_block_computes_in_its_own_thread_and_sees_no_cluster(scheduler):
    with cluster.running(scheduler):
        assert list(cluster.spread(computing, [()] * 4)) == [(32, True)] * 4


def test_blocks_in_threads_of_this_process_leave_its_settings_as_they_were():
    before = dask.config.get("scheduler", None), list(warnings.filters)
    settings = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with LocalCluster(scheduler_kwargs=_QUIET, **settings) as started, Client(started):
        inside = dask.config.get("scheduler")
        assert list(cluster.spread(computing, [()] * 6)) == [(32, True)] * 6
        assert dask.config.get("scheduler") == inside
    assert (dask.config.get("scheduler", None), list(warnings.filters)) == before


def test_a_block_whose_worker_is_killed_is_done_again(scheduler, tmp_path):
    with cluster.running(scheduler):
        found = list(cluster.spread(once_killed, [(n, str(tmp_path)) for n in range(6)]))
    assert found == list(range(6))


@pytest.mark.slow
def test_a_block_that_kills_every_worker_is_one_sentence(started, monkeypatch):
    monkeypatch.setattr(started.scheduler, "allowed_failures", 1)
    with (
        cluster.running(started.scheduler_address),
        pytest.raises(ClusterError, match=r"2 workers died .* cluster\.memory_limit"),
    ):
        list(cluster.spread(always_killed, [()]))


def test_errors_of_blocks_are_those_of_this_process(scheduler):
    with (
        cluster.running(scheduler),
        pytest.raises(DataError, match="block 0 is wrong; mend it"),
    ):
        list(cluster.spread(wrong, [(number,) for number in range(20)]))


def test_what_is_slow_to_open_is_opened_once_by_a_worker(scheduler, tmp_path):
    calls = tmp_path / "calls"
    with cluster.running(scheduler):
        processes = set(cluster.spread(counted, [(str(tmp_path), str(calls))] * 12))
    assert len(calls.read_text().splitlines()) == len(processes)


def test_no_scheduler_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    begin = time.monotonic()
    with (
        pytest.raises(ClusterError, match=rf"no dask scheduler answers at {address} .*refused"),
        cluster.running(address),
    ):
        pass
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("address", ["", "nowhere", "http://a/b", "tcp://a.invalid:1", "tcp://x:y"])
def test_addresses_that_are_none(address):
    if not address:
        assert not ClusterOptions(scheduler="").wanted
        return
    with (
        pytest.raises(ClusterError, match=f"no dask scheduler answers at {address}"),
        cluster.running(address),
    ):
        pass


def test_an_unknown_scheme_leaves_no_half_made_client():
    before = set(Client._instances)
    with pytest.raises(ClusterError, match="unknown address scheme"), cluster.running("http://a:1"):
        pass
    assert set(Client._instances) == before


def test_a_scheduler_without_workers():
    settings = {"cls": Scheduler, "options": {"host": "127.0.0.1", **_QUIET}}
    with SpecCluster(scheduler=settings, workers={}) as alone:
        options = ClusterOptions(scheduler=alone.scheduler_address, wait="200ms")
        with (
            pytest.raises(ClusterError, match="has no workers after 200ms; start some"),
            cluster.running(options),
        ):
            pass


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dask_none.SLURMCluster", "needs the package dask_none"),
        ("distributed.SLURMCluster", "is no class of a dask cluster"),
        ("os.path", "is no class of a dask cluster"),
        ("Nothing", "is no class of a dask cluster"),
    ],
)
def test_classes_that_are_none(name, said):
    with (
        pytest.raises(ConfigError, match=rf"cluster\.class: {name} {said}"),
        cluster.running(ClusterOptions(kind=name)),
    ):
        pass


def test_a_class_that_does_not_start():
    options = ClusterOptions(kind="LocalCluster", arguments={"nothing": "known"})
    with (
        pytest.raises(ClusterError, match="the cluster LocalCluster does not start"),
        cluster.running(options),
    ):
        pass


def test_versions():
    def told(**packages):
        return {
            "packages": {"python": "3.11.7.final.0", "stforecast": "1", "dask": "2", **packages}
        }

    def found(**packages):
        return {"client": told(), "scheduler": told(), "workers": {"tcp://a": told(**packages)}}

    _check_versions(found(python="3.11.2.final.0"), "it")
    with pytest.raises(ClusterError, match=r"the worker at tcp://a of it has python 3\.12"):
        _check_versions(found(python="3.12.1.final.0"), "it")
    with pytest.raises(ClusterError, match="has no stforecast, and this process has 1; install"):
        _check_versions(found(stforecast=None), "it")
    with pytest.warns(StForecastWarning, match=r"last digits: numpy 1 \(here None\)"):
        _check_versions(found(numpy="1"), "it")


def test_what_classes_are_called_with():
    class JobQueueCluster:
        pass

    class SLURMCluster(JobQueueCluster):
        pass

    options = ClusterOptions(
        workers=3, threads=2, memory_limit=4_000_000_000, arguments={"queue": "short", "cores": 8}
    )
    made = _arguments(options, SLURMCluster, "SLURMCluster")
    assert made == {"cores": 8, "processes": 1, "memory": "4000000000B", "queue": "short"}
    local = _arguments(options.model_copy(update={"arguments": {}}), LocalCluster, "LocalCluster")
    assert (local["n_workers"], local["threads_per_worker"], local["memory_limit"]) == (
        3,
        2,
        4 * 10**9,
    )
    assert local["scheduler_kwargs"]["dashboard"] is False
    with pytest.raises(ConfigError, match=r"cluster\.threads is not known to Other"):
        _arguments(options, object, "Other")


def test_the_section_of_an_experiment():
    experiment = experiment_of({"name": "a", "cluster": {"class": "x.Y", "workers": 4}}, (), "text")
    assert (experiment.cluster.kind, experiment.cluster.workers) == ("x.Y", 4)
    with pytest.raises(ConfigError, match=r"cluster\.clas .*did you mean cluster\.class\?"):
        experiment_of({"name": "a", "cluster": {"clas": "x.Y"}}, (), "text")
    with pytest.raises(ConfigError, match="workers is of a cluster to start, and"):
        experiment_of({"name": "a", "cluster": {"scheduler": "tcp://a", "workers": 4}}, (), "text")
    with pytest.raises(ConfigError, match=r"cluster\.memory_limit: 'much' is no size"):
        experiment_of({"name": "a", "cluster": {"memory_limit": "much"}}, (), "text")
    assert "cluster" not in experiment.model_dump()


def test_files_that_workers_do_not_see(scheduler, tmp_path, monkeypatch):
    with cluster.running(scheduler) as client:
        cluster.require_shared(client, tmp_path)
        cluster.require_shared(client, "s3://bucket/store.zarr")
        with pytest.raises(ClusterError, match=r"does not see .*; a cluster needs a file system"):
            cluster.require_shared(client, tmp_path / "nothing")


def test_a_cluster_that_is_interrupted_as_it_starts_is_closed():
    class Slow:
        closed = False

        def __init__(self):
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

        def close(self):
            Slow.closed = True

    with pytest.raises(KeyboardInterrupt):
        made_whole(Slow, 0)
    assert Slow.closed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(DataError):
        made_whole(lambda: wrong(1), 0)


@pytest.mark.parametrize("how", ["interrupted", pytest.param("killed", marks=pytest.mark.slow)])
def test_nothing_is_left_of_a_cluster_whose_process_ends(how, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from stforecast import cluster\n"
        "from stforecast.options import ClusterOptions\n"
        "if __name__ == '__main__':\n"
        "    with cluster.running(ClusterOptions(workers=1)):\n"
        "        print('up', flush=True)\n"
        "        list(cluster.spread(time.sleep, [(20,)] * 4))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(0.5)
    if how == "killed":
        process.kill()
    else:  # as a terminal does: all processes at once
        os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    if how == "interrupted":
        assert told.count("KeyboardInterrupt") == 1  # that of the script, none of workers
    deadline = time.monotonic() + 20
    while _in_session(process.pid):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.1)


def _in_session(session: int) -> list[int]:
    """Processes that are left of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found
