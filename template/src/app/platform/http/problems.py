"""Problem documents, the answers to all failed requests: RFC 9457, `application/problem+json`."""

import json
from collections.abc import Sequence

from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.platform.context import request_id
from app.platform.errors import AppError
from app.platform.http.errors import UnsupportedType


class FieldProblem(BaseModel):
    """The location of a refused value in the request, and the reason; not the value itself."""

    location: list[str | int] = Field(examples=[["body", "email"]])
    message: str


class Problem(BaseModel):
    """The body of the answer to every failed request."""

    type: str = Field(examples=["urn:problem:validation_error"])
    title: str = Field(examples=["Invalid request"])
    status: int = Field(examples=[422])
    detail: str
    code: str = Field(description="Stable, for programs.", examples=["validation_error"])
    request_id: str | None = Field(description="Identifies this request in the logs.")
    errors: list[FieldProblem] | None = Field(default=None, description="For invalid requests.")


def problem(error: AppError, *, errors: Sequence[FieldProblem] | None = None, **headers: str) -> Response:
    """Return the response for an expected failure."""
    return document(error.status, error.code, error.title, error.detail, _headers(error, headers), errors)


def internal_problem() -> Response:
    """Return the response for a bug: it reveals only the request id, which the logs contain."""
    return problem(AppError("The failure was logged under this request id."))


def _headers(error: AppError, headers: dict[str, str]) -> dict[str, str]:
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, UnsupportedType) and error.accept:
        # RFC 9110, section 15.5.16
        headers["Accept"] = error.accept
    return headers


def document(
    status: int,
    code: str,
    title: object,
    detail: object,
    headers: dict[str, str],
    errors: Sequence[FieldProblem] | None = None,
) -> Response:
    """Return a response with a problem document. A title or detail that is no text is written as JSON."""
    body = Problem(
        type=f"urn:problem:{code}",
        title=_text(title),
        status=status,
        detail=_text(detail),
        code=code,
        request_id=request_id.get(),
        errors=list(errors) if errors else None,
    )
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/problem+json")


def _text(value: object) -> str:
    # FastAPI's HTTPException has a detail of any type
    return value if isinstance(value, str) else json.dumps(value, default=str)
