"""Values that are not valid JSON are refused, and the size of the error document is limited."""

import json
import tracemalloc
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Query

from app.platform.json_errors import MAX_CHARACTERS, MAX_DEPTH, MAX_ERRORS, not_json
from tests.platform.support.everything import Everything
from tests.support.client import PASSWORD, problem

SURROGATE = "\ud800"

TEXT_LIKE: list[tuple[str, Any]] = [
    *((name, SURROGATE) for name in Everything.model_fields),
    ("labels", [SURROGATE]),
    ("pair", [1, SURROGATE]),
    ("holidays", {SURROGATE: "2030-01-01"}),
    ("anything", {"deep": [{"inside": SURROGATE}]}),
    ("anything", {SURROGATE: 1}),
    (SURROGATE, 1),
    ("x" + SURROGATE, 1),
]


@pytest.mark.parametrize(("field", "sent"), TEXT_LIKE)
async def test_lone_surrogates_are_refused_in_every_type(
    client: httpx.AsyncClient, received: list[Everything], field: str, sent: object
) -> None:
    content = json.dumps({field: sent})
    answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
    problem(answer, 422, "validation_error")
    assert received == []


@pytest.mark.parametrize("path", ["/api/v1/auth/refresh", "/api/v1/auth/logout"])
async def test_refresh_token_with_a_lone_surrogate_is_refused(client: httpx.AsyncClient, path: str) -> None:
    content = json.dumps({"refresh_token": SURROGATE})
    answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
    document = problem(answer, 422, "validation_error")
    assert document["errors"][0]["location"] == ["body", "refresh_token"]


@pytest.mark.parametrize("field", ["username", "password"])
async def test_form_with_a_lone_surrogate_is_refused(client: httpx.AsyncClient, field: str) -> None:
    """A multipart form may name the codec of its fields, and some Python codecs decode escapes to surrogates."""
    fields = {"username": "ada@example.com", "password": PASSWORD, field: r"\ud800"}
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    content_type = 'multipart/form-data; boundary=b; charset="unicode_escape"'
    answer = await client.post(
        "/api/v1/auth/token", content=f"{parts}--b--\r\n", headers={"Content-Type": content_type}
    )
    problem(answer, 422, "validation_error")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["number", "decimal", "anything", "whole"])
async def test_numbers_that_are_not_json_are_refused(
    client: httpx.AsyncClient, received: list[Everything], field: str, number: str
) -> None:
    content = f'{{"{field}": {number}}}'
    answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
    document = problem(answer, 422, "validation_error")
    assert document["errors"][0]["location"] == ["body", field]
    assert received == []


async def test_body_that_is_nested_too_deeply_is_refused(client: httpx.AsyncClient, received: list[Everything]) -> None:
    for depth in (MAX_DEPTH, 300, 900, 5000, 100_000):
        for inside in ("", '"\\ud800"', ", ".join(["0"] * 1000)):
            content = '{"anything": ' + "[" * depth + inside + "]" * depth + "}"
            answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code in {400, 422}
    assert received == []
    content = '{"anything": ' + "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2) + "}"
    answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


async def test_search_for_surrogates_does_not_store_full_locations() -> None:
    body: object = [0] * 100_000
    for _ in range(MAX_DEPTH):
        body = [body]
    tracemalloc.start()
    assert [error.get("loc") for error in not_json({"last": SURROGATE, "deep": body})] == [("last",)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000 * 400


MANY = 20_000


@pytest.mark.parametrize(
    "body",
    [
        {f"unknown{number}": 1 for number in range(MANY)},
        {"holidays": {f"day{number}": "soon" for number in range(MANY)}},
        {"days": [0] * MANY},
        {"labels": list(range(MANY))},
        {"shapes": [{"shape": "circle"}] * MANY},
        {"shape": {"shape": "circle"} | {f"unknown{number}": 1 for number in range(MANY)}},
        {"u" * 500_000: 1},
        {"shape": {"shape": "s" * 500_000}},
    ],
    ids=["unknown fields", "mapping", "list", "set", "models", "in a model", "a long name", "a long tag"],
)
async def test_errors_are_bounded(
    client: httpx.AsyncClient, received: list[Everything], body: dict[str, object]
) -> None:
    answer = await client.post("/received", json=body)
    document = problem(answer, 422, "validation_error")
    assert 1 <= len(document["errors"]) <= MAX_ERRORS + 1
    assert len(answer.content) < (MAX_ERRORS + 3) * 3 * MAX_CHARACTERS
    if len(document["errors"]) > MAX_ERRORS:
        hidden = MANY - MAX_ERRORS + ("shape" in body)
        assert document["errors"][-1]["message"] == f"{hidden} more errors are not shown"
    assert received == []


async def test_errors_of_a_query_are_bounded(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/numbers")
    async def numbers(n: Annotated[list[int], Query()]) -> None: ...

    answer = await client.get("/numbers?" + "&".join(["n=x"] * 1000))
    document = problem(answer, 422, "validation_error")
    assert document["errors"][-1]["message"] == f"{1000 - MAX_ERRORS - 1} more errors are not shown"
