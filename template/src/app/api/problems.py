"""Every failure as a problem document: RFC 9457, `application/problem+json`."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from app.context import request_id
from app.db.errors import translate
from app.errors import AppError
from app.json_errors import MAX_ERRORS, brief, more

log = structlog.get_logger(__name__)


class FieldProblem(BaseModel):
    """One value of the request that was refused, without the value."""

    location: list[str | int] = Field(examples=[["body", "email"]])
    message: str


class Problem(BaseModel):
    """What every failed request is answered with."""

    type: str = Field(examples=["urn:problem:validation_error"])
    title: str = Field(examples=["Invalid request"])
    status: int = Field(examples=[422])
    detail: str
    code: str = Field(description="Stable, for programs.", examples=["validation_error"])
    request_id: str | None = Field(description="Names this request in the logs.")
    errors: list[FieldProblem] | None = Field(default=None, description="For invalid requests.")


class ValidationFailed(AppError):
    """The request does not match the API's description."""

    status = 422
    code = "validation_error"
    title = "Invalid request"


class Malformed(AppError):
    """The request cannot be read at all."""

    status = 400
    code = "bad_request"
    title = "Malformed request"


class NotFound(AppError):
    """There is no such path."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(AppError):
    """The path does not know this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class TooLarge(AppError):
    """The body has more bytes than this route accepts."""

    status = 413
    code = "content_too_large"
    title = "Request body too large"


class UnsupportedType(AppError):
    """The body is not of a media type this route accepts."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class ClientLeft(AppError):
    """The client closed the connection before its request was complete; the status is nginx's for this, for logs."""

    status = 499
    code = "client_closed_request"
    title = "Client closed the request"


def problem(error: AppError, *, errors: Sequence[FieldProblem] | None = None, **headers: str) -> Response:
    """The response for an expected failure."""
    return _document(error.status, error.code, error.title, error.detail, _headers(error, headers), errors)


def internal_problem() -> Response:
    """The response for a bug: it says nothing but where to look."""
    return problem(AppError("The failure was logged under this request id."))


def responses(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """What a route says in OpenAPI about the ways it can fail, one entry per status."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = described.setdefault(
            kind.status,
            {
                "description": "",
                "content": {"application/problem+json": {"schema": _PROBLEM_SCHEMA, "examples": {}}},
            },
        )
        entry["description"] = " / ".join(filter(None, (entry["description"], kind.title)))
        entry["content"]["application/problem+json"]["examples"][kind.code] = {
            "summary": kind.title,
            "value": _example(kind),
        }
    return described


def install(app: FastAPI) -> None:
    """Register the handlers for everything a route may raise; what they do not know is a bug."""
    app.exception_handler(AppError)(_on_app_error)
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(HTTPException)(_on_http_exception)
    app.exception_handler(SQLAlchemyError)(_on_database_error)
    openapi = app.openapi

    def with_problem() -> dict[str, Any]:
        # FastAPI only collects the models of JSON responses
        document = openapi()
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= schema.pop("$defs") | {"Problem": schema}
        return document

    app.openapi = with_problem  # type: ignore[method-assign] # FastAPI's documented way to extend it


_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
# What Starlette and FastAPI raise by themselves; the standard library's phrases differ between Python versions.
_OF_THE_FRAMEWORK = {kind.status: kind for kind in (Malformed, NotFound, MethodNotAllowed, TooLarge, UnsupportedType)}


async def _on_app_error(_request: Request, error: AppError) -> Response:
    return problem(error)


async def _on_invalid_request(_request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(Malformed("The body is not valid JSON."))
    return problem(ValidationFailed(), errors=_field_problems(found))


def _field_problems(found: Sequence[Any]) -> list[FieldProblem]:
    """A bounded description: the error document must not grow with what it refuses."""
    shown = [
        FieldProblem(
            location=[brief(part) if isinstance(part, str) else part for part in item["loc"]],
            message=brief(item["msg"]),
        )
        # the last one may be pydantic's, on errors that are not shown
        for item in found[: MAX_ERRORS + 1]
    ]
    if hidden := len(found) - len(shown):
        shown.append(FieldProblem(location=[], message=more(hidden)))
    return shown


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    # FastAPI reports every failure to read a body as a 400
    if isinstance(error.__cause__, ClientDisconnect):
        return problem(ClientLeft())
    kind = _OF_THE_FRAMEWORK.get(error.status_code)
    code = kind.code if kind else f"http_{error.status_code}"
    title = kind.title if kind else error.detail
    headers = dict(error.headers or {})
    if error.status_code == MethodNotAllowed.status and (methods := _methods(request)):
        headers["Allow"] = ", ".join(methods)
    return _document(error.status_code, code, title, error.detail, headers)


def _methods(request: Request) -> list[str]:
    """All methods of a path (RFC 9110, section 10.2.1); Starlette names those of the first route it finds there."""
    app: FastAPI = request.app
    for template, item in app.openapi()["paths"].items():
        pattern, _, _ = compile_path(template)
        if pattern.fullmatch(request.url.path):
            return [method.upper() for method in item]
    return []


async def _on_database_error(_request: Request, error: SQLAlchemyError) -> Response:
    expected = translate(error)
    if expected is None:
        raise error
    # the first line names the constraint; those below it show the row
    reason = str(error.__cause__ or error).splitlines()[0]
    log.warning("database_error", code=expected.code, reason=reason)
    return problem(expected)


def _headers(error: AppError, headers: dict[str, str]) -> dict[str, str]:
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _document(
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: dict[str, str],
    errors: Sequence[FieldProblem] | None = None,
) -> Response:
    document = Problem(
        type=f"urn:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id.get(),
        errors=list(errors) if errors else None,
    )
    return Response(document.model_dump_json(exclude_none=True), status, headers, "application/problem+json")


def _example(kind: type[AppError]) -> dict[str, Any]:
    return {
        "type": f"urn:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "code": kind.code,
        "request_id": "0e7c2a3f9d1b4c5e8f60718293a4b5c6",
    }
