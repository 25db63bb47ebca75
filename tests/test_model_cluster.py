"""Jobs on a Ray cluster."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import pytest
from fakes import write_clip

from model import cluster
from model.cluster import run_on_cluster
from model.errors import InputError
from model.parallel import map_jobs
from realtime.sources import open_source

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
def test_a_cluster_gives_what_one_machine_gives_though_workers_and_head_die(
    expression_clip: Path, untrained: Path, tmp_path: Path
) -> None:
    with closing(open_source(str(expression_clip))) as source:
        frames = list(source)
    clips = [expression_clip]
    for first in range(19):
        part = frames[4 * first : 4 * first + 10]
        clip = tmp_path / f"from-{first}.mkv"
        clips.append(write_clip(clip, [f.image for f in part], [40 * n for n in range(10)]))
    (tmp_path / "out").mkdir()
    script = Path(__file__).with_name("ray_cluster.py")
    command = [sys.executable, script, tmp_path / "out", untrained, *clips]
    paths = os.pathsep.join(map(str, (script.parent.parent, script.parent)))
    environment = os.environ | {"PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_gcs_rpc_server_reconnect_timeout_s"] = "5"  # not a minute, for the lost head
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.endswith("all is equal\n"), done.stderr


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match=r"--ray 127\.0\.0\.1:9: no cluster answers"):
        list(run_on_cluster(abs, [1, 2], "127.0.0.1:9"))


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[cluster\]'"):
        list(run_on_cluster(abs, [1], "auto"))


def test_another_version_of_the_program_is_refused() -> None:
    with pytest.raises(InputError, match="has another version of this program"):
        cluster._do_there("another", ".", abs, 1)


def test_a_folder_that_a_machine_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: No such file or directory"):
        cluster._do_there(cluster.code_digest(), str(tmp_path / "missing"), abs, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert list(map_jobs(abs, [-3, 2, -1], workers)) == [3, 2, 1]


def test_patience_begins_when_the_cluster_is_lost_and_not_at_the_last_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    attempts: list[int] = []

    def connect(function: object, jobs: object, address: str, lost: object) -> Iterator[object]:
        nonlocal now_s
        attempts.append(len(attempts))
        if len(attempts) == 1:
            yield cluster._Answer(None, None)
            now_s += 2 * cluster.PATIENCE_S  # of work on a long job; then the head is gone
        elif len(attempts) == 3:
            yield cluster._Answer(None, None)
            yield cluster._Answer(0, "done")

    monkeypatch.setattr(cluster, "_connected", connect)
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr(cluster.time, "perf_counter", lambda: now_s)
    monkeypatch.setattr(cluster.time, "sleep", lambda seconds: None)
    assert list(run_on_cluster(abs, [1], "there")) == ["done"]
    assert attempts == [0, 1, 2]


def stay(kill: bool) -> None:
    """A job that never ends, and may kill the process that handed it out."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    if kill:
        os.kill(parent.pid, signal.SIGTERM)
    Event().wait()


@pytest.mark.parametrize(
    "begin",
    [
        "from model.parallel import map_jobs; list(map_jobs(stay, [True, False], 2))",
        "from functools import partial; from realtime.input_outcomes import run_inputs; "
        "run_inputs([('a', partial(stay, True)), ('b', partial(stay, False))], 2)",
    ],
)
def test_processes_end_with_the_program_that_started_them(begin: str) -> None:
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (here.parent, here)))}
    command = [sys.executable, "-c", f"from {Path(__file__).stem} import stay; {begin}"]
    # The processes hold the pipe of the output: this waits for all of them.
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, timeout=120)
    assert done.returncode != 0
