"""Works through many jobs in several processes, with a progress bar."""

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

import cv2
from tqdm import tqdm

from model.errors import InputError

JobT = TypeVar("JobT")

BAR_S = 0.5
"""How often the bar is drawn again while no job ends."""

_count: Callable[[], object] = int  # counts nothing until a job runs


def add_jobs(options: argparse._ActionsContainer, default: int, what: str) -> None:
    """Add `--jobs`, the number of processes that do `what`."""
    help_ = f"processes that {what}"
    options.add_argument(
        "--jobs", dest="workers", type=int, metavar="N", default=default, help=help_
    )


def check_workers(number: int) -> None:
    """Raise `InputError` if `number` is below 1."""
    if number < 1:
        raise InputError(f"--jobs {number}: choose 1 or more processes")


def count_one() -> None:
    """Count one unit of the running job as done, for a `run_jobs` that was given `units`."""
    _count()


def run_jobs(
    function: Callable[[JobT], None],
    jobs: Sequence[JobT],
    workers: int,
    title: str,
    unit: str,
    units: int | None = None,
) -> None:
    """Call `function`, which is at the top of a module, with each of `jobs`, in any order: in
    `workers` processes, or in this one if that is 1. Raises what it raises. `units`: how often all
    jobs together call `count_one`; None: the bar counts jobs."""
    global _count
    check_workers(workers)
    if not jobs:
        return
    with tqdm(total=units or len(jobs), desc=title, unit=unit, disable=None) as bar:
        if workers == 1:
            _count = bar.update
            for job in jobs:
                function(job)
                if units is None:
                    bar.update()
            return
        # Spawn, because a fork copies locks but not the threads that hold them.
        context = multiprocessing.get_context("spawn")
        counted: Synchronized[int] = context.Value("q", 0)
        pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start_worker, (counted,))
        try:
            pending = {pool.submit(function, job) for job in jobs}
            while pending:
                done, pending = wait(pending, BAR_S, FIRST_COMPLETED)
                for each in done:
                    each.result()
                bar.update(len(done) if units is None else counted.value - bar.n)
        finally:
            # A `with` block would wait for everything in the queue, even after an interruption.
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(counted: "Synchronized[int]") -> None:
    global _count
    cv2.setNumThreads(1)

    def count() -> None:
        with counted.get_lock():
            counted.value += 1

    _count = count
