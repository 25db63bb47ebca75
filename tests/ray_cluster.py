"""Two nodes of a Ray cluster on this machine, which die and come back. `test_model_cluster` runs
this in a process of its own, because Ray's warnings and signals are not ours.

    python tests/ray_cluster.py DIR WEIGHTS CLIP [CLIP ...]

trains six folds and analyses the clips with and without the cluster, and compares. Each time,
while the cluster works, a worker is killed, and later the head; another head takes its place. DIR
is a new folder. PYTHONPATH holds the project and its tests, for the workers.
"""

import csv
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from easy import easy_samples
from ray.cluster_utils import Cluster

from model.training.loso import FoldAnswers, leave_one_out
from model.training.recipe import Recipe


class TwoNodes:
    """A cluster of two nodes with a processor each."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("", 0))
            self._port = free.getsockname()[1]
        self._start()

    def _start(self) -> None:
        head = {"num_cpus": 1, "include_dashboard": False, "gcs_server_port": self._port}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._cluster.add_node(num_cpus=1)
        self.address = self._cluster.address

    def stop(self) -> None:
        """End all of it."""
        self._cluster.shutdown()

    def restart(self) -> None:
        """End all of it, and begin again at the same address."""
        self.stop()
        before = self.address
        self._start()
        assert self.address == before

    def kill_worker(self) -> None:
        """Kill a worker that works on a job, as soon as there is one."""
        while True:
            for process in psutil.Process().children(recursive=True):
                if process.name().startswith("ray::_do_there"):
                    process.kill()
                    return
            time.sleep(0.05)


def analyze(clips: list[str], weights: str, out: Path, *workers: str) -> subprocess.Popen[bytes]:
    """Begin to write the tables of `clips`."""
    command = [sys.executable, "-m", "realtime.analyze", *clips, "--classifier", weights]
    return subprocess.Popen([*command, "--out", out, *workers])


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def wait_for(out: Path, clips: int, program: subprocess.Popen[bytes]) -> None:
    """Return once `clips` are analysed, and not all are."""
    while len(list(out.glob("*.summary.html"))) < clips:
        assert program.poll() is None, "it has ended"
        time.sleep(0.05)


def train(
    out: Path,
    workers: int | str,
    after_fold: Callable[[FoldAnswers, str], None] = lambda answers, words: None,
) -> dict[str, bytes]:
    """What six folds leave, by name of the file; of the logs, not how fast the training was."""
    recipe = Recipe("mmcof-cnn", options={"width": 4}, epochs=100, batch=12)
    samples = easy_samples(36, 0, subjects=6)
    leave_one_out(recipe, samples, None, out, after_fold=after_fold, workers=workers)
    found = contents(out)
    for name in found:
        if name.endswith(".log.csv"):
            with (out / name).open(newline="") as log:
                rows = [{**row, "samples_per_s": ""} for row in csv.DictReader(log)]
            found[name] = repr(rows).encode()
    return found


def train_disturbed(out: Path, nodes: TwoNodes) -> dict[str, bytes]:
    """`train` on `nodes`, one of which loses its worker, and later both their head."""
    folds = 0

    def disturb(*_: object) -> None:
        nonlocal folds
        folds += 1
        if folds == 1:
            nodes.kill_worker()
        elif folds == 3:
            nodes.restart()

    return train(out, nodes.address, disturb)


def main() -> None:
    folder, weights, *clips = sys.argv[1:]
    base = Path(folder)
    assert analyze(clips, weights, base / "alone").wait() == 0
    nodes = TwoNodes()
    try:
        assert train(base / "folds", 1) == train_disturbed(base / "folds-there", nodes), "folds"
        program = analyze(clips, weights, base / "there", "--ray", nodes.address)
        wait_for(base / "there", len(clips) // 5, program)
        nodes.kill_worker()
        wait_for(base / "there", len(clips) // 2, program)
        nodes.restart()
        assert program.wait() == 0
    finally:
        nodes.stop()
    assert contents(base / "alone") == contents(base / "there"), "tables differ"
    print("all is equal")


if __name__ == "__main__":
    import ray_cluster  # under its own name, by which the workers import it

    ray_cluster.main()
