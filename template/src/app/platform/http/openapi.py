"""Describe the errors in the OpenAPI document."""

from typing import Any

from fastapi import FastAPI

from app.platform.errors import AppError
from app.platform.http.problems import Problem

_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def responses(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for the errors that a route may answer with, one entry per status."""
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
    """Add the schema of problem documents to OpenAPI: FastAPI only adds the models of JSON responses."""
    openapi = app.openapi

    def with_problem() -> dict[str, Any]:
        document = openapi()
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= schema.pop("$defs") | {"Problem": schema}
        return document

    app.openapi = with_problem  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _example(kind: type[AppError]) -> dict[str, Any]:
    return {
        "type": f"urn:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "code": kind.code,
        "request_id": "0e7c2a3f9d1b4c5e8f60718293a4b5c6",
    }
