"""Times the start of the program, up to the first result, in a separate process.

    python -m realtime.benchmark.start_time '{"source": "demo"}' 1700000000.0

is what `time_starts` runs. The arguments are options of a `LiveConfig`, and the time at which the
process was started.
"""

import json
import subprocess
import sys
import time
from typing import Any

from model.errors import InputError

RUNS = 3
TIMEOUT_S = 120.0


def time_starts(options: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds from the start of a process until its modules are imported (`imported_s`)
    and until the first result (`first_result_s`): of the `first` run, which may have read its files
    from the disk, and of the fastest of the others (`warm`). Raises `InputError` if the program
    does not start."""
    first, *others = (_start(options) for _ in range(RUNS))
    return {"first": first, "warm": min(others, key=lambda run: run["first_result_s"])}


def _start(options: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, "-m", "realtime.benchmark.start_time", json.dumps(options)]
    try:
        run = subprocess.run(
            [*command, repr(time.time())],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"the program did not start within {TIMEOUT_S:g} s") from None
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().rpartition("\n")[2]
        raise InputError(f"the program did not start: {last}") from None
    found: dict[str, float] = json.loads(run.stdout.strip().rpartition("\n")[2])
    return found


def main(options: str, started_s: str) -> None:
    """Start a session, wait for its first result, and print the times as JSON."""
    from realtime.config import LiveConfig
    from realtime.live import LiveSession

    start_s = float(started_s)
    imported_s = time.time() - start_s
    with LiveSession(LiveConfig(**json.loads(options))) as session:
        if session.results.latest_step(None, TIMEOUT_S) is None:
            raise InputError("no frame came")
        print(json.dumps({"imported_s": imported_s, "first_result_s": time.time() - start_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
