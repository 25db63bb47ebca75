"""What failed, for the page: one line, whatever it was."""

import logging

from model.errors import InputError, describe_error

_LOG = logging.getLogger(__name__)


def report_failure(error: Exception) -> str:
    """`error` in one line; that of a bug goes to the log too, with its traceback."""
    if not isinstance(error, InputError):
        _LOG.error("told on the page: %s", describe_error(error), exc_info=error)
    return describe_error(error)
