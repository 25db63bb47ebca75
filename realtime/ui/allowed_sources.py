"""Checks whether the page may open a source.

Without this check, anyone at the page could read files of the machine that serves it, and make that
machine call addresses in its network.
"""

import os
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.sources import hide_password, split_spec

OFFERED = frozenset({"auto", "demo", "browser", "camera"})


def check_source(spec: str, config: LiveConfig) -> None:
    """Raise `InputError` if the page may not open `spec`: see `LiveConfig.allow_sources`. The error
    does not reveal whether such a file exists."""
    if not config.allow_sources and not config.is_shared:
        return
    if spec == config.source or _is_allowed(spec, config.allow_sources):
        return
    raise InputError(
        f"source {hide_password(spec)}: this page may not open it; to allow it, start the "
        "program with --allow-sources and the source or its folder"
    )


def _is_allowed(spec: str, allowed: tuple[str, ...]) -> bool:
    try:
        kind, rest = split_spec(spec)
    except InputError:  # no such file: if the page may open it, the source reports it
        kind, rest = "file", spec
    if kind == "camera":
        return rest.isdecimal()
    if kind in OFFERED:
        return True
    if kind == "loop":
        return rest == "loop" or _is_allowed(rest, allowed)
    if kind == "network":
        return any(_is_below(rest, root) for root in allowed if "://" in root)
    path = _resolve(rest)
    roots = (_resolve(root) for root in allowed if "://" not in root)
    return path is not None and any(root and path.is_relative_to(root) for root in roots)


def _resolve(path: str) -> Path | None:
    """Return the path with links resolved; None for an impossible name or circular links."""
    try:
        return Path(os.path.expanduser(path)).resolve()
    except (OSError, RuntimeError, ValueError):
        return None


def _is_below(address: str, root: str) -> bool:
    """Return whether `address` is `root`, or below it on the same server."""
    try:
        asked, given = urlsplit(address), urlsplit(root)
        same = _server(asked) == _server(given)
    except ValueError:  # an invalid port
        return False
    path, above = unquote(asked.path), unquote(given.path).rstrip("/")
    if ".." in path.split("/") or "\\" in address or not address.isprintable():
        return False
    return same and (path == above or path.startswith(above + "/"))


def _server(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port
