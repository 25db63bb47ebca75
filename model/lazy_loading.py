"""Tables of things chosen by name: plain dicts of lazy "package.module:Name" strings.

An entry is imported only when it is loaded, so reading a table costs nothing.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from model.errors import InputError


def load_entry(table: Mapping[str, str], name: str, what: str) -> Any:
    """The object that `name` stands for in `table`; `what` names its kind in the message.

    Raises `InputError` with the choices if the table has no such name.
    """
    if name not in table:
        choices = ", ".join(table)
        raise InputError(f"unknown {what} {name!r}: choose one of {choices}")
    return resolve_name(table[name])
