"""Failures as one line for the page."""

import logging

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from model.errors import InputError, describe_error, is_refused
from model.text import clean_line

_LOG = logging.getLogger(__name__)


def report_failure(error: Exception) -> str:
    """Return `error` in one line; a bug also goes to the log with its traceback."""
    if not isinstance(error, InputError) and not is_refused(error):
        _LOG.error("told on the page: %s", describe_error(error), exc_info=error)
    return describe_error(error)


async def tell_nonsense(request: Request, error: Exception) -> JSONResponse:
    """Answer a request with invalid values: 422, naming the first of them. FastAPI's own answer
    repeats the input, which may not be valid JSON."""
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"][1:]))
    return JSONResponse({"error": clean_line(f"{where}: {first['msg']}")}, 422)
