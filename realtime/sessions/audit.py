"""The audit: an append-only file that says who did what to a recording, from which page."""

import json
import time

from realtime.sessions.clock_anchors import format_utc
from realtime.stream.clock import monotonic_s

TERMINAL = "the command line"
"""The name in the audit of whoever acts without a page."""


def format_audit(who: str, did: str) -> str:
    """Return a line of `audit.jsonl`: `utc` and `monotonic_s` (now), `who` and `did`."""
    entry = {"utc": format_utc(time.time()), "monotonic_s": monotonic_s(), "who": who, "did": did}
    return json.dumps(entry, ensure_ascii=False)
