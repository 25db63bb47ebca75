"""Nonsense thrown at all that reads what others wrote: what of it ends in a traceback, or hangs?

python tests/fuzz.py tables --minutes 10
python tests/fuzz.py all --minutes 2 --seed 5 --keep findings
python tests/fuzz.py --replay findings/tables-1.pickle     one input again, with its traceback

Hypothesis draws the inputs; where atheris can be imported (pip install atheris; not one of this
project's requirements), it draws half of them, led by what they reach in this project's code.
Good is what `model.cli.exit_code` makes one line of. Each input that ends otherwise, takes
longer than the limit, or takes the interpreter down, is kept, once for each place in the code.
"""

import model  # noqa: F401  # before numpy is, for whose BLAS it sets the number of threads

# isort: split
import argparse
import contextlib
import faulthandler
import importlib
import importlib.util
import io
import itertools
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as st

from model.cli import exit_code
from realtime.stream.clock import monotonic_s

TARGETS = ("sources", "sockets", "protocols", "sessions", "tables")
"""Each has a module, `fuzz_<target>`, with its `cases`."""
LIMIT_S = 30
"""An input that takes longer hangs."""
MEMORY = 8 * 2**30
_ROOT = Path(__file__).resolve().parent.parent
TOLD = "told"
_NOW = "now.pickle"
"""What is being tried, and how many of each case were before."""

Case = tuple[st.SearchStrategy[Any], Callable[[Any, Path], None]]
"""What is drawn, and what is done with it, in an empty folder."""


class HangError(BaseException):
    """An input takes too long. Not an `Exception`: nobody may catch it on the way."""


class Heard(logging.Handler):
    """What was logged as an error with its traceback, as a server does with what it goes on
    after."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", choices=(*TARGETS, "all"), default="all")
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="of findings; default: a new one")
    parser.add_argument("--case", help="only this one of the target's")
    parser.add_argument("--replay", type=Path, metavar="PICKLE", help="a finding that was kept")
    parser.add_argument("--worker", choices=("hypothesis", "atheris"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay is not None:
        target, case, value = pickle.loads(options.replay.read_bytes())
        with tempfile.TemporaryDirectory() as folder:
            do = cases(target, Path(folder))[case][1]
            with watchdog():
                attempt(do, value, Path(folder) / "scratch", Heard())
        print("nothing found")
        return
    keep = (options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))).resolve()
    keep.mkdir(parents=True, exist_ok=True)
    if options.worker:
        work(options, keep)
        return
    engines = ["hypothesis", "atheris"]
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris): Hypothesis alone draws the inputs")
        engines = ["hypothesis"]
    found = 0
    for target in TARGETS if options.target == "all" else [options.target]:
        counts: Counter[str] = Counter()
        for engine in engines:
            counts += run(target, engine, options, keep, 60 * options.minutes / len(engines))
        kept = sorted(keep.glob(f"{target}-*.txt"))
        found += len(kept)
        told = counts.pop(TOLD, 0)
        each = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        print(
            f"{target}: {counts.total()} inputs ({each}), {told} errors told, {len(kept)} findings"
        )
        for path in kept:
            print(f"\n{path}\n{path.read_text('utf-8')}")
    print(f"kept in {keep}")
    sys.exit(1 if found else 0)


def run(
    target: str, engine: str, options: argparse.Namespace, keep: Path, seconds: float
) -> Counter[str]:
    """Have `target` tried for so long, in a process of its own, and in another one whenever that
    goes down; how many inputs of each case were tried."""
    counts: Counter[str] = Counter()
    ends_s = monotonic_s() + seconds
    for start in range(10_000):
        left_s = ends_s - monotonic_s()
        if left_s < 1:
            break
        (keep / _NOW).unlink(missing_ok=True)
        command = [sys.executable, __file__, target, "--worker", engine, "--keep", str(keep)]
        command += ["--minutes", str(left_s / 60), "--seed", str(options.seed + 1000 * start)]
        command += ["--case", options.case] if options.case else []
        with (keep / f"{target}.log").open("w+") as log:
            code = subprocess.run(command, cwd=_ROOT, stderr=log).returncode
            log.seek(0)
            said = log.read()
        if not (keep / _NOW).exists():
            raise RuntimeError(f"{target} did not begin ({code}): {said[-4000:]}")
        case, value, done = pickle.loads((keep / _NOW).read_bytes())
        counts += done
        if code:
            keep_finding(keep, (target, case, value), f"the process ended: {code}", said)
    return counts


def work(options: argparse.Namespace, keep: Path) -> None:
    """Try inputs until the time is over, in this process."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    ends_s = monotonic_s() + 60 * options.minutes
    guided = options.worker == "atheris"
    if guided:
        import atheris

        with atheris.instrument_imports(include=["model", "realtime", "calibrate"]):
            known = cases(options.target, keep / "corpus" / options.target)
    else:
        known = cases(options.target, keep / "corpus" / options.target)
    chosen = [options.case] if options.case else sorted(known)
    counts: Counter[str] = Counter()
    heard = Heard()
    logging.getLogger().addHandler(heard)
    scratch = keep / "scratch"

    def one(data: st.DataObject) -> None:
        if monotonic_s() > ends_s:
            os._exit(0)  # whatever threads are left
        case = data.draw(st.sampled_from(chosen))
        strategy, do = known[case]
        value = data.draw(strategy)
        counts[case] += 1
        (keep / _NOW).write_bytes(pickle.dumps((case, value, counts)))
        try:
            with watchdog():
                counts[TOLD] += attempt(do, value, scratch, heard)
        except (Exception, HangError) as error:
            told = "".join(traceback.format_exception(error))
            keep_finding(keep, (options.target, case, value), _place(error), told)

    given = hypothesis.given(st.data())
    drawn = hypothesis.settings(
        max_examples=2000,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    if guided:
        arguments = [sys.argv[0], f"-max_total_time={int(60 * options.minutes) + 1}", "-timeout=0"]
        arguments += [
            f"-seed={options.seed + 1}",
            "-max_len=8192",
            "-len_control=0",
            "-rss_limit_mb=0",
        ]
        atheris.Setup(arguments, drawn(given(one)).hypothesis.fuzz_one_input)
        atheris.Fuzz()  # ends the process
    for number in itertools.count(options.seed):
        hypothesis.seed(number)(drawn(given(one)))()


def attempt(do: Callable[[Any, Path], None], value: Any, scratch: Path, heard: Heard) -> bool:
    """Do it, in an empty folder; whether an error was told in one line. Raises any other one."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    heard.errors.clear()
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = exit_code(lambda: do(value, scratch))
    if heard.errors:
        raise heard.errors[0]
    if code and len(told.getvalue().splitlines()) != 1:
        raise ValueError(f"told in more than one line: {told.getvalue()!r}")
    return code != 0


@contextlib.contextmanager
def watchdog() -> Iterator[None]:
    """Raises `HangError` in what takes longer than the limit; ends the process where Python is not
    asked."""
    signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    faulthandler.dump_traceback_later(2 * LIMIT_S, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def cases(target: str, corpus: Path) -> dict[str, Case]:
    """The cases of a target; what they start from is made in `corpus`, once."""
    corpus.mkdir(parents=True, exist_ok=True)
    made: dict[str, Case] = importlib.import_module(f"fuzz_{target}").cases(corpus)
    return made


def keep_finding(keep: Path, found: tuple[str, str, Any], place: str, told: str) -> None:
    """Keep what was found, unless something was found at that place already."""
    for path in keep.glob(f"{found[0]}-*.txt"):
        if path.read_text("utf-8").startswith(f"{place}\n"):
            return
    name = f"{found[0]}-{1 + sum(1 for _ in keep.glob(f'{found[0]}-*.txt'))}"
    (keep / f"{name}.pickle").write_bytes(pickle.dumps(found))
    text = f"{place}\n{found[1]}: {found[2]!r:.600}\n{told[-5000:]}"
    (keep / f"{name}.txt").write_text(text, "utf-8", "backslashreplace")


def _place(error: BaseException) -> str:
    """What tells one finding from another: the error, and where in this project it was."""
    frames = list(_frames(error))
    ours = [f for f in frames if f.filename.startswith(str(_ROOT)) and "/tests/" not in f.filename]
    where = (ours or frames)[-1]
    path = Path(where.filename)
    name = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path.name
    return f"{type(error).__name__} at {name}:{where.lineno}"


def _frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        yield from _frames(error.exceptions[0])
    else:
        yield from traceback.extract_tb(error.__traceback__)


def _hang(*_: object) -> None:
    raise HangError(f"no end after {LIMIT_S} s")


if __name__ == "__main__":
    main()
