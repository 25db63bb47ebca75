"""Two nodes of a Ray cluster on this machine, which die and come back. `test_model_cluster` runs
this in a process of its own, because Ray's warnings and signals are not ours.

    python tests/ray_cluster.py DIR WEIGHTS CLIP [CLIP ...]

analyses the clips and trains six folds with and without the cluster, and compares. While the
cluster analyses the clips, a worker is killed, and later the head; another head takes its place.
DIR is a new folder. PYTHONPATH holds the project and its tests, for the
workers.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from easy import easy_samples
from ray.cluster_utils import Cluster

from model.training.loso import leave_one_out
from model.training.recipe import Recipe


@contextmanager
def two_nodes(port: int) -> Iterator[str]:
    """A cluster of two nodes with a processor each; its address."""
    head = {"num_cpus": 1, "include_dashboard": False, "gcs_server_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()


def analyze(clips: list[str], weights: str, out: Path, *workers: str) -> subprocess.Popen[bytes]:
    """Begin to write the tables of `clips`."""
    command = [sys.executable, "-m", "realtime.analyze", *clips, "--classifier", weights]
    return subprocess.Popen([*command, "--out", out, *workers])


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def wait_for(out: Path, clips: int, program: subprocess.Popen[bytes]) -> None:
    """Return once `clips` are analysed, and not all are."""
    while len(list(out.glob("*.analysis.json"))) < clips:
        assert program.poll() is None, "it has ended"
        time.sleep(0.05)


def kill_worker() -> None:
    """Kill a worker that works on a clip."""
    for process in psutil.Process().children(recursive=True):
        if process.name().startswith("ray::_do_there"):
            process.kill()
            return
    raise AssertionError("no worker works")


def train(out: Path, workers: int | str) -> dict[str, bytes]:
    """The answers of six folds and what is made of them, by name of the file. Weights and logs say
    too how fast the training was."""
    recipe = Recipe("mmcof-cnn", options={"width": 4}, epochs=1, batch=12)
    leave_one_out(recipe, easy_samples(36, 0, subjects=6), None, out, workers=workers)
    answers = [*out.glob("*.json"), out / "predictions.csv"]
    return {path.name: path.read_bytes() for path in sorted(answers)}


def main() -> None:
    folder, weights, *clips = sys.argv[1:]
    base = Path(folder)
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    assert analyze(clips, weights, base / "alone").wait() == 0
    with two_nodes(port) as address:
        assert train(base / "folds", 1) == train(base / "folds-there", address), "folds differ"
        program = analyze(clips, weights, base / "there", "--ray", address)
        wait_for(base / "there", len(clips) // 5, program)
        kill_worker()
        wait_for(base / "there", len(clips) // 2, program)
    # The head is gone in the middle of the work. Another starts at the same address.
    with two_nodes(port):
        assert program.wait() == 0
    assert contents(base / "alone") == contents(base / "there"), "tables differ"
    print("all is equal")


if __name__ == "__main__":
    import ray_cluster  # under its own name, by which the workers import it

    ray_cluster.main()
