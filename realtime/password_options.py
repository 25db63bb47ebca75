"""The page's passwords, from the options, a file, or environment variables.

Everyone on a machine can read the options of a program in the list of processes, but not a file or
the environment.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from model.errors import InputError

AUTH, VIEW = "FMANET_AUTH", "FMANET_VIEW_PASSWORD"
"""Environment variables with the values of `--auth` and `--view-password`."""


def take_passwords(
    options: MutableMapping[str, Any], environment: Mapping[str, str] = os.environ
) -> tuple[tuple[str, str] | None, str | None]:
    """Take `auth`, `auth_file` and `view_password` out of `options`. Return user and password of
    the page, and the password of viewers; None for what is not set.

    The file's first line is the value of `--auth`, its second, if there is one, that of
    `--view-password`. Options override variables. The messages of `InputError` contain no password.
    """
    auth, path = options.pop("auth"), options.pop("auth_file")
    view = options.pop("view_password")
    if path is not None:
        if auth is not None:
            raise InputError("--auth and --auth-file: give one of them")
        auth, second = _read(path)
        if view is not None and second is not None:
            raise InputError(f"--view-password and the second line of {path}: give one of them")
        view = view or second
        source = f"the first line of --auth-file {path}"
    elif auth is not None:
        source = "--auth"
    else:
        auth, source = environment.get(AUTH), AUTH
    view = environment.get(VIEW) if view is None else view
    if view is not None and not view:
        raise InputError("--view-password is empty: give a password, or leave it out")
    return None if auth is None else parse_auth(auth, source), view


def parse_auth(text: str, source: str = "--auth") -> tuple[str, str]:
    """Return user and password of `user:password`. The error does not repeat the value."""
    user, _, password = text.partition(":")
    if not (user and password):
        raise InputError(f"{source} needs user:password, and neither may be empty")
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
