"""Two nodes of a Ray cluster on this machine, which die and come back. `test_model_cluster` runs
this in a process of its own, because Ray's warnings and signals are not ours.

    python tests/ray_cluster.py DIR WEIGHTS CLIP [CLIP ...]

analyses the clips and trains six folds with and without the cluster, kills a worker and restarts
the head, and compares. DIR is a new folder. PYTHONPATH holds the project and its tests, for the
workers.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from easy import easy_samples
from ray.cluster_utils import Cluster

from model.cluster import run_on_cluster
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


def square(folder: Path, number: int) -> int:
    """A job. The first attempt at number 2 dies; the first at number 4 waits for the head's end."""
    attempt = folder / f"{number}-was-tried"
    if number in (2, 4) and not attempt.exists():
        attempt.touch()
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / "now").touch()
        signal.pause()
    return number**2


def analyze(clips: list[str], weights: str, out: Path, *workers: str) -> dict[str, bytes]:
    """The tables of `clips`, by name."""
    command = [sys.executable, "-m", "realtime.analyze", *clips, "--classifier", weights]
    subprocess.run([*command, "--out", out, *workers], check=True)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


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
    found: list[int] = []

    def follow(address: str) -> None:
        found.extend(run_on_cluster(partial(square, base), range(8), address))

    with two_nodes(port) as address:
        alone, there = (analyze(clips, weights, base / name, *workers) for name, workers in (
            ("alone", ()), ("there", ("--ray", address))
        ))  # fmt: skip
        assert alone == there, "tables differ"
        assert train(base / "folds", 1) == train(base / "folds-there", address), "folds differ"
        thread = threading.Thread(target=follow, args=(address,))
        thread.start()
        while thread.is_alive() and not (base / "now").exists():
            thread.join(0.05)
    # The head is gone, in the middle of number 4. Another starts at the same address.
    with two_nodes(port):
        thread.join(240)
    assert found == [number**2 for number in range(8)], found
    print("all is equal")


if __name__ == "__main__":
    import ray_cluster  # under its own name, by which the workers import it

    ray_cluster.main()
