"""FMANet Live: micro-expressions, spotted and named live.

fmanet live                                   the page, with a camera or else the demo face
fmanet record sessions/P07 --participant P07  a recording without the page
fmanet analyze interview.mp4 --out results/   tables of what a video shows

`fmanet JOB --help` shows the options of a job.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

from model.cli import HELP, exit_code
from model.errors import InputError
from model.lazy_loading import load_entry


class Job(NamedTuple):
    """What `fmanet NAME` runs."""

    main: str
    """ "module:function", imported only to run the job: no job waits for another's imports, and
    `run_live` and `calibrate`, which lie above `realtime`, are imported nowhere here."""
    what: str
    """What the job does, in a few words."""


JOBS = {
    "live": Job("run_live:main", "the page: a camera, a file or the demo face, analysed live"),
    "record": Job("run_live:record", "record a session without the page"),
    "analyze": Job("realtime.analyze:main", "recordings to tables of expressions and motion"),
    "calibrate": Job("calibrate.__main__:main", "check a camera, a face at rest, the spotter"),
    "session": Job("realtime.session:main", "recover, redact or delete a recorded session"),
    "review": Job("realtime.review.__main__:main", "report a session, or compare two coders"),
    "export": Job("realtime.export.__main__:main", "a session to CSV, Parquet, ELAN, BIDS, BORIS"),
    "table": Job("realtime.table:main", "many sessions: one table of all, and a study's report"),
    "bench": Job("realtime.benchmark.__main__:main", "latency under load"),
    "bench gpu": Job("realtime.benchmark.gpu.__main__:main", "what runs on a GPU, part by part"),
    "train": Job("model.train:main", "train a classifier, on synthetic pairs or data sets"),
    "evaluate": Job("model.evaluate:main", "measure classifiers on data they were not trained on"),
    "data": Job("model.datasets.__main__:main", "check a data set, or compute its flows"),
    "engine": Job("model.build_engine:main", "check, build or export what runs a network"),
    "synthesize": Job("model.synthesize:main", "footage with expressions whose truth is known"),
}


def main() -> int:
    """Run the job that the command line names; return the exit code."""
    return exit_code(_run)


def _run() -> int | None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in HELP:
        print(usage())
        return 0 if arguments else 2
    words = 2 if " ".join(arguments[:2]) in JOBS else 1
    name = " ".join(arguments[:words])
    if name not in JOBS:
        raise InputError(f"unknown job {name!r}: choose one of {', '.join(JOBS)}")
    sys.argv = [f"fmanet {name}", *arguments[words:]]
    job: Callable[[], int | None] = load_entry({name: JOBS[name].main}, name, "job")
    return job()


def usage() -> str:
    """Return the help, with a line for each job."""
    width = max(map(len, JOBS))
    lines = (f"  {name:<{width}}  {job.what}" for name, job in JOBS.items())
    return "\n".join([(__doc__ or "").strip(), "", *lines])


if __name__ == "__main__":
    sys.exit(main())
