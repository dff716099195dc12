"""Describe the errors in the OpenAPI document, and complete the document."""

from collections import Counter
from typing import Any

from fastapi import FastAPI

from app.platform.errors import AppError
from app.platform.http.errors import UnsupportedType
from app.platform.http.problems import Problem

_METHODS = {"delete", "get", "patch", "post", "put"}
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
    """Complete the OpenAPI document with what FastAPI leaves out; client generators and linters need it."""
    openapi = app.openapi

    def completed() -> dict[str, Any]:
        document = openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        # FastAPI returns the same document each time
        if "Problem" not in schemas:
            # FastAPI only adds the models of JSON responses
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {"Problem": problem}
            document.setdefault("servers", [{"url": "/"}])
            _complete_operations(document)
            _distinguish_titles(schemas)
        return document

    app.openapi = completed  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _complete_operations(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for method in _METHODS & item.keys():
            operation = item[method]
            # says that the operation needs no token, instead of nothing
            operation.setdefault("security", [])
            if "requestBody" in operation:
                operation["responses"] = {"415": responses(UnsupportedType)[415], **operation["responses"]}


def _distinguish_titles(schemas: dict[str, Any]) -> None:
    """Give each schema a title of its own: generators take titles as class names, and all pages are titled `Page`."""
    titles = Counter(schema.get("title") for schema in schemas.values())
    for name, schema in schemas.items():
        # the names of generic classes end like this
        if name.endswith("_") or titles[schema.get("title")] > 1:
            schema["title"] = "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _example(kind: type[AppError]) -> dict[str, Any]:
    return {
        "type": f"urn:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "code": kind.code,
        "request_id": "0e7c2a3f9d1b4c5e8f60718293a4b5c6",
    }
