"""The page's passwords, from where others on this machine do not see them, or from the options.

Options stand in the list of processes, which everyone on a machine can read; a file and environment
variables do not.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from model.errors import InputError

AUTH, VIEW = "FMANET_AUTH", "FMANET_VIEW_PASSWORD"
"""Environment variables: what `--auth` and `--view-password` take."""


def take_passwords(
    options: MutableMapping[str, Any], environment: Mapping[str, str] = os.environ
) -> tuple[tuple[str, str] | None, str | None]:
    """Take `auth`, `auth_file` and `view_password` out of `options`: user and password of the page,
    and the password of those who only look; None where there is none.

    The file's first line is what `--auth` takes, its second, if there is one, what
    `--view-password` does. An option comes before a variable. Raises `InputError` without saying
    any of them."""
    auth, path = options.pop("auth"), options.pop("auth_file")
    view = options.pop("view_password")
    if path is not None:
        if auth is not None:
            raise InputError("--auth and --auth-file: give one of them")
        auth, said = _read(path)
        if view is not None and said is not None:
            raise InputError(f"--view-password and the second line of {path}: give one of them")
        view = view or said
        source = f"the first line of --auth-file {path}"
    elif auth is not None:
        source = "--auth"
    else:
        auth, source = environment.get(AUTH), AUTH
    view = environment.get(VIEW) if view is None else view
    if view is not None and not view:
        raise InputError("--view-password is empty")
    return None if auth is None else parse_auth(auth, source), view


def parse_auth(text: str, source: str = "--auth") -> tuple[str, str]:
    """User and password of `user:password`. The value is not repeated in the error."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise InputError(f"{source} needs user:password, both not empty")
    return user, password


def _read(path: Path) -> tuple[str, str | None]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"--auth-file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"--auth-file {path} is not text in UTF-8") from None
    lines += ["", ""]
    return lines[0].strip(), lines[1].strip() or None
