"""What failed, for the page: one line, whatever it was."""

import logging

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from model.errors import InputError, describe_error, is_refused
from model.text import clean_line

_LOG = logging.getLogger(__name__)


def report_failure(error: Exception) -> str:
    """`error` in one line; that of a bug goes to the log too, with its traceback."""
    if not isinstance(error, InputError) and not is_refused(error):
        _LOG.error("told on the page: %s", describe_error(error), exc_info=error)
    return describe_error(error)


async def tell_nonsense(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request whose values cannot be: 422, with the first of them named. FastAPI's
    own repeats what was sent, which may be no JSON."""
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"][1:]))
    return JSONResponse({"error": clean_line(f"{where}: {first['msg']}")}, 422)
