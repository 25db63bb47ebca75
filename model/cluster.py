"""Works through many jobs on a cluster of machines with Ray (https://docs.ray.io, Apache-2.0).

The cluster is not ours: `ray start --head` makes one, `ray start --address` adds a machine. All its
machines need the same code of this program, which is checked by hash, and the folders of inputs and
results under the same paths.

If a worker dies, Ray gives its job to another. If the cluster's head dies, the process that was
connected to it dies too (Ray ends it), so that is not this process but a child. This one starts
another, which hands in the jobs that are not done.
"""

import hashlib
import multiprocessing
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from model.errors import InputError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

PATIENCE_S = 120.0
"""How long to look for a cluster that was lost."""
_IN_FLIGHT = 256
"""Jobs handed in at a time: Ray's wait takes longer the more there are."""
_RETRY_S = 2.0
_WORKER_DEATHS = 3
"""How often a job's worker may die before the job has failed."""


class _Answer(NamedTuple):
    """What the connected process says of one job, or, without a job, of itself."""

    job: int | None
    result: Any
    error: BaseException | None = None


def run_on_cluster(
    function: Callable[[JobT], ResultT],
    jobs: Sequence[JobT],
    address: str,
    lost: ResultT | None = None,
) -> Iterator[ResultT]:
    """Yield `function(job)` for each of `jobs`, in their order. `address` is that of a Ray cluster;
    "auto" finds one on this machine.

    `function` is at the top of a module, or a `partial` of such a function; it may run twice if a
    machine fails, so it must write its results whole or not at all. `lost` is the result of a
    job whose worker died again and again. Raises what `function` raises, and `InputError` if there
    is no cluster, if one of its machines has other code, or if it stays away.
    """
    if find_spec("ray") is None:
        raise InputError("--ray needs Ray: pip install -e '.[cluster]'")
    done: dict[int, Any] = {}
    received: set[int] = set()
    next_ = 0
    seen_s = time.perf_counter()
    reached = False
    while next_ < len(jobs):
        connected = False
        waiting = [(number, job) for number, job in enumerate(jobs) if number not in received]
        for answer in _connected(function, waiting, address, lost):
            if answer.job is None:
                if isinstance(answer.error, InputError) and not reached:
                    raise answer.error
                connected = answer.error is None
                reached = reached or connected
                continue
            if answer.error is not None:
                raise answer.error
            received.add(answer.job)
            done[answer.job] = answer.result
            while next_ in done:
                yield done.pop(next_)
                next_ += 1
        if next_ == len(jobs):
            return
        if connected:
            seen_s = time.perf_counter()  # until now
        if not reached or time.perf_counter() - seen_s > PATIENCE_S:
            left = len(jobs) - len(received)
            raise InputError(
                f"--ray {address}: the cluster is lost, with {left} of {len(jobs)} jobs left; what "
                "is done is kept: start the cluster again, then the command"
            )
        time.sleep(_RETRY_S)


def _connected(
    function: Callable[[JobT], ResultT],
    jobs: Sequence[tuple[int, JobT]],
    address: str,
    lost: ResultT | None,
) -> Iterator[_Answer]:
    """Yield the answers of a process that is connected to the cluster, until it ends."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_drive, args=(sender, function, jobs, address, lost))
    process.start()
    sender.close()
    try:
        with suppress(EOFError, ConnectionError):
            while True:
                yield receiver.recv()
    finally:
        process.terminate()
        process.join()
        receiver.close()


def _drive(
    sender: Connection,
    function: Callable[[JobT], ResultT],
    jobs: Sequence[tuple[int, JobT]],
    address: str,
    lost: ResultT | None,
) -> None:
    """Hand in `jobs`, and send an answer for each."""
    import ray

    try:
        host, colon, port = address.rpartition(":")
        if colon and port.isdecimal() and "//" not in host:  # Ray itself looks for 40 s
            socket.create_connection((host, int(port)), _RETRY_S).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ray.exceptions.RaySystemError, RuntimeError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        problem = InputError(
            f"--ray {address}: no cluster answers ({why}): start one with `ray start --head`"
        )
        sender.send(_Answer(None, None, problem))
        return
    sender.send(_Answer(None, None))
    task = ray.remote(_do_there).options(num_cpus=1, max_retries=_WORKER_DEATHS)
    shared = ray.put(function)  # once, however large its arguments
    here = code_digest(), str(Path.cwd())
    rest = iter(jobs)
    given: dict[Any, tuple[int, JobT]] = {}
    while True:
        for number, job in islice(rest, _IN_FLIGHT - len(given)):
            given[task.remote(*here, shared, job)] = number, job
        if not given:
            return
        ready, _ = ray.wait(list(given))
        for reference in ready:
            number, job = given.pop(reference)
            try:
                answer = _Answer(number, ray.get(reference))
            except ray.exceptions.RayTaskError as error:
                answer = _Answer(number, None, error.cause)
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                answer = _Answer(number, lost)
                if lost is None:
                    problem = InputError(f"{job}: its worker died again and again")
                    answer = _Answer(number, None, problem)
            sender.send(answer)


def _do_there(code: str, folder: str, function: Callable[[JobT], ResultT], job: JobT) -> ResultT:
    """Return `function(job)`, on a machine of the cluster. Raises `InputError` if the digest of its
    code is not `code`, or if it does not have the `folder` from which the command was given."""
    if code != code_digest():
        raise InputError(
            f"{platform.node()} has another version of this program: install the same one on all "
            "machines of the cluster"
        )
    try:
        os.chdir(folder)  # jobs may have paths that start there
    except OSError as error:
        raise InputError(
            f"{platform.node()}: {folder}: {error.strerror}: work in a folder that all machines of "
            "the cluster have"
        ) from None
    return function(job)


@cache
def code_digest() -> str:
    """SHA-256, in hex, of this program's code, tables and weights."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("calibrate", "model", "realtime"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".csv", ".toml", ".safetensors", ".onnx", ".json"):
                digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
