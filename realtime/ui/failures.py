"""Reports failures to the page, each in one line."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from model.errors import InputError, describe_error, is_refused
from model.text import clean_line
from realtime.results.value_checks import describe_misfit

P = ParamSpec("P")
_LOG = logging.getLogger(__name__)


def report_failure(error: Exception) -> str:
    """Return `error` in one line. If it is a bug, also log its traceback."""
    if not isinstance(error, InputError) and not is_refused(error):
        _LOG.error("a request from the page failed: %s", describe_error(error), exc_info=error)
    return describe_error(error)


def error_as_answer(route: Callable[P, dict[str, Any]]) -> Callable[P, dict[str, Any]]:
    """Wrap `route`: if it fails, it answers with the failure as `error`. The status stays 200,
    because browsers log any other as an error of the page."""

    @wraps(route)
    def answer(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        try:
            return route(*args, **kwargs)
        except HTTPException:
            raise
        except Exception as error:
            return {"error": report_failure(error)}

    return answer


def error_as_404(route: Callable[P, Response]) -> Callable[P, Response]:
    """Wrap `route`: on an `InputError` or `OSError` it answers with status 404."""

    @wraps(route)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return route(*args, **kwargs)
        except (InputError, OSError) as error:
            raise HTTPException(404, report_failure(error)) from None

    return answer


async def refuse_request(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that has invalid values with status 422, and name the first one. FastAPI's
    own answer would repeat the whole input, which JSON may not be able to express."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    fault = {**first, "loc": first["loc"][1:]}  # without "body", "query"
    return JSONResponse({"error": clean_line(describe_misfit(fault))}, 422)
