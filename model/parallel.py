"""Works through many jobs in several processes or on a cluster, with a progress bar."""

import argparse
import math
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from threading import Thread
from typing import TypeVar

import cv2
from tqdm import tqdm

from model.cluster import run_on_cluster
from model.errors import InputError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

Workers = int | str
"""A number of processes on this machine, or the address of a Ray cluster."""


def describe_time_left(took_s: float, done: int, left: int) -> str:
    """Return, as "; about 12 min for the 3 left", how long the jobs that are `left` will take, as
    `done` ones took `took_s`; empty if none is left."""
    minutes = took_s / done * left / 60
    words = f"{minutes / 60:.0f} h" if minutes >= 100 else f"{math.ceil(minutes)} min"
    return f"; about {words} for the {left} left" if left else ""


def add_jobs(options: argparse._ActionsContainer, default: int, what: str) -> None:
    """Add `--jobs`, the number of processes that do `what`, and `--ray`, the cluster that does."""
    help_ = f"processes that {what}"
    options.add_argument(
        "--jobs", dest="workers", type=int, metavar="N", default=default, help=help_
    )
    add_ray(options)


def add_ray(options: argparse._ActionsContainer) -> None:
    """Add `--ray`, which takes the place of `--jobs`."""
    options.add_argument(
        "--ray",
        dest="workers",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        default=argparse.SUPPRESS,
        help="work on this Ray cluster (without ADDRESS: one that runs on this machine)",
    )


def check_workers(workers: Workers) -> None:
    """Raise `InputError` if it is a number below 1."""
    if isinstance(workers, int) and workers < 1:
        raise InputError(f"--jobs {workers}: choose 1 or more processes")


def run_jobs(
    function: Callable[[JobT], None], jobs: Sequence[JobT], workers: Workers, title: str, unit: str
) -> None:
    """Call `function` with each of `jobs`, as `map_jobs` does, beside a progress bar."""
    with tqdm(total=len(jobs), desc=title, unit=unit, disable=None) as bar:
        for _ in map_jobs(function, jobs, workers):
            bar.update()


def map_jobs(
    function: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: Workers
) -> Generator[ResultT]:
    """Yield `function(job)` for each of `jobs`, in their order: from `workers` processes, from this
    one if that is 1, or from a cluster. `function` is at the top of a module, or a `partial` of
    such a function. Raises what it raises."""
    check_workers(workers)
    if isinstance(workers, str):
        yield from run_on_cluster(function, jobs, workers)
    elif workers == 1 or len(jobs) < 2:
        yield from map(function, jobs)
    else:
        # Spawn, because a fork copies locks but not the threads that hold them.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _begin_worker)
        try:
            waiting = deque(pool.submit(function, job) for job in jobs)
            while waiting:
                yield waiting.popleft().result()  # so that no result is kept
        finally:
            # A `with` block would wait for everything in the queue, even after an interruption.
            pool.shutdown(wait=True, cancel_futures=True)


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that was: it would
    work on what is in its queue, beside the same command given again, and then wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def _begin_worker() -> None:
    end_with_parent()
    cv2.setNumThreads(1)
