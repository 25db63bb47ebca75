"""Works through many jobs in several processes, with a progress bar."""

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import cv2
from tqdm import tqdm

from model.errors import InputError

JobT = TypeVar("JobT")


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


def run_jobs(
    function: Callable[[JobT], None], jobs: Sequence[JobT], workers: int, title: str, unit: str
) -> None:
    """Call `function`, which is at the top of a module, with each of `jobs`, in any order: in
    `workers` processes, or in this one if that is 1. Raises what it raises."""
    check_workers(workers)
    if not jobs:
        return
    with tqdm(total=len(jobs), desc=title, unit=unit, disable=None) as bar:
        if workers == 1:
            for job in jobs:
                function(job)
                bar.update()
            return
        # Spawn, because a fork copies locks but not the threads that hold them.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(jobs)), context, cv2.setNumThreads, (1,))
        try:
            for done in as_completed([pool.submit(function, job) for job in jobs]):
                done.result()
                bar.update()
        finally:
            # A `with` block would wait for everything in the queue, even after an interruption.
            pool.shutdown(wait=True, cancel_futures=True)
