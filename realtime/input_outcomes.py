"""Runs the work of many inputs: here, in processes, or on a cluster. One that fails spoils no
other."""

import io
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from multiprocessing import get_context

from tqdm import tqdm

from model.cluster import run_on_cluster
from model.errors import CheckpointError, InputError, error_line
from model.parallel import Workers, end_with_parent


class UnwritableError(InputError):
    """The results folder cannot be written, so no input can be analysed into it."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the work on one input ended, and what it printed meanwhile in a process of its own."""

    failure: str | None = None
    fatal: InputError | None = None
    """Why every other input would fail too."""
    printed: str = ""
    warned: str = ""


_LOST = _Outcome("its process was ended, as when memory is short: free some")


def run_inputs(work: Sequence[tuple[str, Callable[[], None]]], workers: Workers = 1) -> None:
    """Run the work of each input, given with its name, even if others fail. What is printed keeps
    the order of the inputs; a table of failures comes last. Raises `SystemExit` with code 1 if an
    input failed, and at once what all would fail on: `CheckpointError`, `UnwritableError`."""
    failed: list[tuple[str, str]] = []
    with closing(_outcomes([run for _, run in work], workers)) as outcomes:
        for (name, _), outcome in zip(work, outcomes, strict=True):
            print(outcome.printed, end="")
            print(outcome.warned, end="", file=sys.stderr)
            if outcome.fatal is not None:
                raise outcome.fatal
            if outcome.failure:
                failed.append((name, outcome.failure))
                print(f"error: {outcome.failure}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(work)} inputs failed:", file=sys.stderr)
        longest = max(len(name) for name, _ in failed)
        for name, why in failed:
            print(f"  {name:<{longest}}  {why}", file=sys.stderr)
        raise SystemExit(1)


def _outcomes(work: Sequence[Callable[[], None]], workers: Workers) -> Generator[_Outcome]:
    if isinstance(workers, str):
        done = run_on_cluster(_printing_outcome, work, workers, _LOST)
        yield from tqdm(done, "analysed", len(work), unit="input")
        return
    if workers == 1 or len(work) < 2:
        yield from map(_outcome, work)
        return
    with (
        _pool(min(workers, len(work))) as pool,
        tqdm(total=len(work), desc="analysed", unit="input", file=sys.stderr) as bar,
    ):
        waiting = [pool.submit(_printing_outcome, run) for run in work]
        for each in waiting:
            each.add_done_callback(lambda _: bar.update())
        try:
            for each, run in zip(waiting, work, strict=True):
                try:
                    yield each.result()
                except BrokenProcessPool:  # by this input or by another: so each runs again alone
                    yield _outcome_alone(run)
        finally:
            pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    """Spawned: a process with threads must not be forked."""
    return ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent)


def _outcome_alone(run: Callable[[], None]) -> _Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(_printing_outcome, run).result()
        except BrokenProcessPool:
            return _LOST


def _outcome(run: Callable[[], None]) -> _Outcome:
    try:
        run()
    except (CheckpointError, UnwritableError) as error:
        return _Outcome(fatal=error)
    except InputError as error:
        return _Outcome(str(error))
    except Exception as error:  # a bug: print its traceback, and go on with the other inputs
        traceback.print_exc()
        return _Outcome(error_line(error))
    return _Outcome()


def _printing_outcome(run: Callable[[], None]) -> _Outcome:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        outcome = _outcome(run)
    return replace(outcome, printed=out.getvalue(), warned=err.getvalue())
