"""Describe the errors in the OpenAPI document, and complete the document."""

from collections import Counter
from typing import Any

from fastapi import FastAPI

from app.platform.errors import AppError
from app.platform.http.errors import NotFound, UnsupportedType
from app.platform.http.limits import PREFIX
from app.platform.http.problems import Problem

_METHODS = {"delete", "get", "patch", "post", "put"}
_PROBLEM = "application/problem+json"
_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_LOCAL_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?$"

Responses = dict[int | str, dict[str, Any]]


def responses(*kinds: type[AppError]) -> Responses:
    """Return the OpenAPI responses for the errors that a route may answer with, one entry per status."""
    described: Responses = {}
    for kind in kinds:
        entry = described.setdefault(
            kind.status,
            {
                "description": "",
                "content": {_PROBLEM: {"schema": _PROBLEM_SCHEMA, "examples": {}}},
            },
        )
        entry["description"] = " / ".join(filter(None, (entry["description"], kind.title)))
        entry["content"][_PROBLEM]["examples"][kind.code] = {
            "summary": kind.title,
            "value": _example(kind),
        }
    return described


def install(app: FastAPI, failures: Responses) -> None:
    """Complete the OpenAPI document with what FastAPI leaves out; client generators and linters need it.

    Every operation of the API gets the responses `failures`, also for a status that it declares other errors of.
    """
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
            _complete_operations(document, failures)
            _describe_times(document)
            _distinguish_titles(schemas)
        return document

    app.openapi = completed  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _complete_operations(document: dict[str, Any], failures: Responses) -> None:
    for path, item in document["paths"].items():
        for method in _METHODS & item.keys():
            operation = item[method]
            # says that the operation needs no token, instead of nothing
            operation.setdefault("security", [])
            if not path.startswith(PREFIX):
                continue
            described = operation["responses"]
            # FastAPI replaces the responses of a router by those of a route with the same status
            _join(described, failures)
            if "{" in path:
                # a malformed parameter matches no route
                _join(described, responses(NotFound))
            if "requestBody" in operation:
                _join(described, responses(UnsupportedType))


def _join(described: dict[str, Any], others: Responses) -> None:
    """Add the errors in `others` to the described responses of an operation."""
    for status, other in others.items():
        there = described.setdefault(str(status), other)
        problems = there.get("content", {}).get(_PROBLEM, {}).get("examples", {})
        missing = {code: each for code, each in other["content"][_PROBLEM]["examples"].items() if code not in problems}
        if missing and problems:
            titles = [there["description"], *(each["summary"] for each in missing.values())]
            schema = {"schema": _PROBLEM_SCHEMA, "examples": problems | missing}
            described[str(status)] = there | {"description": " / ".join(titles), "content": {_PROBLEM: schema}}


def _describe_times(node: Any) -> None:
    """Describe times of the day as they are, without an offset; pydantic's "time" has one (RFC 3339, section 5.6)."""
    if isinstance(node, dict):
        if node.get("type") == "string" and node.get("format") == "time":
            node |= {"format": "time-local", "pattern": _LOCAL_TIME}
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            _describe_times(each)


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
