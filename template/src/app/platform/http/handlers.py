"""The exception handlers: turn exceptions of routes into problem documents."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.routing import compile_path

from app.platform.db.errors import translate
from app.platform.errors import AppError
from app.platform.http.errors import (
    BodyTimeout,
    ClientLeft,
    Malformed,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    UnsupportedType,
    ValidationFailed,
)
from app.platform.http.limits import path_of
from app.platform.http.media_types import encoded, is_parsed, refusal
from app.platform.http.middleware.refused_websockets import WebSocketRefused
from app.platform.http.problems import FieldProblem, document, problem
from app.platform.http_calls import CallFailed
from app.platform.json_errors import MAX_ERRORS, not_shown, shorten
from app.platform.tracebacks import names, summary

log = structlog.get_logger(__name__)

# what FastAPI says of every body that it cannot read, except JSON that is not valid
_UNPARSED = "There was an error parsing the body"

# Titles for the errors that Starlette and FastAPI raise; the standard library's phrases differ by Python version.
_OF_THE_FRAMEWORK = {
    kind.status: kind for kind in (Malformed, NotFound, MethodNotAllowed, BodyTimeout, TooLarge, UnsupportedType)
}


def install(app: FastAPI) -> None:
    """Register the handlers for all expected exceptions; any other exception is a bug."""
    app.exception_handler(AppError)(_also_for_websockets(_on_app_error))
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(WebSocketRequestValidationError)(_also_for_websockets(_on_invalid_request))
    app.exception_handler(HTTPException)(_also_for_websockets(_on_http_exception))
    app.exception_handler(SQLAlchemyError)(_also_for_websockets(_on_database_error))
    app.exception_handler(CallFailed)(_also_for_websockets(_on_failed_call))


def _also_for_websockets(handler: Callable[[Request, Any], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Return a handler whose response also reaches a WebSocket: Starlette only sends the responses to requests."""

    async def handle(connection: HTTPConnection, error: Exception) -> Response:
        response = await handler(cast("Request", connection), error)
        if connection.scope["type"] == "websocket":
            raise WebSocketRefused(response) from error
        return response

    return handle


async def _on_app_error(_request: Request, error: AppError) -> Response:
    return problem(error)


async def _on_invalid_request(request: Request, error: ValidationException) -> Response:
    found = error.errors()
    if any(item["loc"][:1] == ("body",) for item in found) and (refused := refusal(request)):
        return problem(refused)
    if any(item["type"] == "json_invalid" for item in found):
        return problem(Malformed("The body is not valid JSON."))
    return problem(ValidationFailed(), errors=_field_problems(found))


def _field_problems(found: Sequence[Any]) -> list[FieldProblem]:
    """Describe the errors in a document of limited size, however large the refused request is."""
    shown = [
        FieldProblem(
            location=[shorten(part) if isinstance(part, str) else part for part in item["loc"]],
            message=shorten(item["msg"]),
        )
        # one more, which may be the message of `first_errors` about errors that are not shown
        for item in found[: MAX_ERRORS + 1]
    ]
    if hidden := len(found) - len(shown):
        shown.append(FieldProblem(location=[], message=not_shown(hidden)))
    return shown


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    # FastAPI reports every failure to read a body as status 400
    if isinstance(error.__cause__, ClientDisconnect):
        return problem(ClientLeft())
    if _is_unparsed(error) and is_parsed(request) and (refused := encoded(request)):
        return problem(refused)
    kind = _OF_THE_FRAMEWORK.get(error.status_code)
    code = kind.code if kind else f"http_{error.status_code}"
    title = kind.title if kind else error.detail
    headers = dict(error.headers or {})
    if error.status_code == MethodNotAllowed.status:
        headers["Allow"] = ", ".join(_methods(request, headers))
    return document(error.status_code, code, title, _detail(error), headers)


def _is_unparsed(error: HTTPException) -> bool:
    """Return whether FastAPI or Starlette says that it could not parse the body, and not the route itself."""
    return error.detail == _UNPARSED or isinstance(error.__context__, MultiPartException)


def _detail(error: HTTPException) -> str:
    """Return what is wrong, also where FastAPI only says that it could not parse the body."""
    # errors of a route's own may come from a ValueError as well
    match error.__cause__ if error.detail == _UNPARSED else None:
        case UnicodeDecodeError():
            return "The body is not text in UTF-8."
        case RecursionError():
            return "The body is nested too deep."
        case ValueError():
            # Python limits the digits of integers; invalid JSON is handled in `_on_invalid_request`
            return "A number in the body has too many digits."
    return error.detail


def _methods(request: Request, headers: Mapping[str, str]) -> list[str]:
    """Return all methods of the path (RFC 9110, section 10.2.1); Starlette names only those of the first route."""
    app: FastAPI = request.app
    methods = [each for each in headers.get("Allow", "").split(", ") if each]
    for template, item in app.openapi()["paths"].items():
        pattern, _, _ = compile_path(template)
        if pattern.fullmatch(path_of(request.scope)):
            methods = [method.upper() for method in item]
            break
    return [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods


async def _on_database_error(_request: Request, error: SQLAlchemyError) -> Response:
    expected = translate(error)
    if expected is None:
        raise error
    log.warning("database_error", code=expected.code, reason=summary(error), **names(error))
    return problem(expected)


async def _on_failed_call(_request: Request, error: CallFailed) -> Response:
    # only the log says which service failed, and why
    log.warning("call_failed", code=error.answer.code, reason=str(error))
    return problem(error.answer())
