"""The audit: who did what to a recording, from which page, in an append-only file."""

import json
import time

from realtime.sessions.clock_anchors import iso
from realtime.stream.clock import monotonic_s

TERMINAL = "the command line"
"""Who acts without a page."""


def audit_line(who: str, did: str) -> str:
    """Return a line of `audit.jsonl`: `utc` and `monotonic_s` of now, `who` and `did`."""
    said = {"utc": iso(time.time()), "monotonic_s": monotonic_s(), "who": who, "did": did}
    return json.dumps(said, ensure_ascii=False)
