"""Request bodies accept what the OpenAPI document announces, and refuse everything else, whatever the type."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import NaiveDatetime, SecretStr

from app.json_errors import MAX_CHARACTERS, MAX_ERRORS
from tests.support.client import PASSWORD, problem
from tests.support.everything import Box, Branch, Circle, Colour, Everything, Level, Tree, Validated

UUID_TEXT = "6c84fb90-12c4-11e1-840d-7b25c5ee775a"
SURROGATE = "\ud800"


class Local(Everything):
    """With a field that OpenAPI cannot describe: pydantic announces an offset for it, too."""

    local: NaiveDatetime | None = None


@pytest.fixture
def received(app: FastAPI) -> list[Everything]:
    """What the route was given."""
    bodies: list[Everything] = []

    @app.post("/received")
    async def keep(body: Local) -> None:
        bodies.append(body)

    return bodies


ACCEPTED = [
    ("whole", 7, 7),
    ("whole", 2.0, 2),
    ("number", 7, 7.0),
    ("flag", True, True),
    ("day", "2030-01-31", date(2030, 1, 31)),
    ("moment", "2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
    ("moment", "2030-01-31T12:00:00+09:00", datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=9)))),
    ("local", "2030-01-31T12:00:00", datetime(2030, 1, 31, 12)),  # noqa: DTZ001 (the field asks for one)
    ("clock", "12:30:00", time(12, 30)),
    ("clock", "12:30:00Z", time(12, 30, tzinfo=UTC)),
    ("duration", "P1DT2H", timedelta(days=1, hours=2)),
    ("decimal", "10.50", Decimal("10.50")),
    ("decimal", 10.5, Decimal("10.5")),
    ("decimal", 10, Decimal(10)),
    ("decimal", "-12345678901234567890.123456789", Decimal("-12345678901234567890.123456789")),
    ("money", "0.10", Decimal("0.10")),
    ("key", UUID_TEXT, UUID(UUID_TEXT)),
    ("colour", "red", Colour.RED),
    ("level", 2, Level.HIGH),
    ("choice", "b", "b"),
    ("secret", "s", SecretStr("s")),
    ("raw", "ä", "ä".encode()),
    ("labels", ["a", "b", "a"], {"a", "b"}),
    ("keys", [UUID_TEXT], frozenset({UUID(UUID_TEXT)})),
    ("pair", [1, "a"], (1, "a")),
    ("days", ["2030-01-31"], [date(2030, 1, 31)]),
    ("holidays", {"new year": "2030-01-01"}, {"new year": date(2030, 1, 1)}),
    ("counts", {"1": 5}, {1: 5}),
    ("day_or_number", "2030-01-31", date(2030, 1, 31)),
    ("day_or_number", 7, 7),
    ("number_or_text", "7", "7"),
    ("span", {"begins": "2030-01-31T12:00:00Z"}, {"begins": datetime(2030, 1, 31, 12, tzinfo=UTC)}),
    ("shape", {"shape": "circle", "radius": 1}, Circle(shape="circle", radius=1.0)),
    (
        "shapes",
        [{"shape": "box", "sides": [1, 2], "inside": [{"shape": "box", "sides": [3, 4]}]}],
        [Box(shape="box", sides=(1, 2), inside=[Box(shape="box", sides=(3, 4))])],
    ),
    (
        "tree",
        {"planted": "2030-01-31", "branches": [{"tree": {"planted": "2031-01-31"}, "leaves": [1, 1]}]},
        Tree(planted=date(2030, 1, 31), branches=[Branch(tree=Tree(planted=date(2031, 1, 31)), leaves={1})]),
    ),
    (
        "validated",
        {"labels": ["a", "", "b"], "pairs": [[1, "2030-01-31"]]},
        Validated(labels=frozenset("ab"), clock=time(12, 30), pairs=[(1, date(2030, 1, 31))]),
    ),
    ("anything", {"a": [1, None, "x", 1.5]}, {"a": [1, None, "x", 1.5]}),
]


@pytest.mark.parametrize(("field", "sent", "expected"), ACCEPTED)
async def test_what_json_can_write_is_read(
    client: httpx.AsyncClient, received: list[Everything], field: str, sent: object, expected: object
) -> None:
    answer = await client.post("/received", json={field: sent})
    assert answer.status_code == 200, answer.text
    (body,) = received
    assert getattr(body, field) == expected
    assert type(getattr(body, field)) is type(expected)


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("text", 7),
        ("whole", "7"),
        ("whole", True),
        ("whole", 2.5),
        ("number", "7"),
        ("number", True),
        ("flag", 1),
        ("flag", "true"),
        ("day", 0),
        ("day", "0"),
        ("day", "2030-02-31"),
        ("day", "2030-01-31T00:00:00Z"),
        ("moment", "2030-01-31T12:00:00"),
        ("moment", "2030-01-31"),
        ("moment", 1_700_000_000),
        ("moment", "1700000000"),
        ("local", "2030-01-31T12:00:00Z"),
        ("clock", 3600),
        ("duration", 1),
        ("duration", "soon"),
        ("decimal", True),
        ("decimal", "ten"),
        ("decimal", "NaN"),
        ("decimal", "1e1000000"),
        ("decimal", "1_000"),
        ("money", "-0.01"),
        ("money", "0.001"),
        ("key", UUID_TEXT.replace("-", "")),
        ("key", 7),
        ("colour", "blue"),
        ("level", "1"),
        ("level", True),
        ("choice", "c"),
        ("secret", 7),
        ("labels", {"a": 1}),
        ("labels", "ab"),
        ("labels", [1]),
        ("keys", ["x"]),
        ("pair", [1]),
        ("pair", [1, "a", 2]),
        ("days", ["2030-01-31", 1]),
        ("holidays", {"new year": "soon"}),
        ("day_or_number", "soon"),
        ("day_or_number", True),
        ("span", {"begins": "2030-01-31T12:00:00"}),
        ("span", {"begins": "2030-01-31T12:00:00Z", "days": "1"}),
        ("shape", {"shape": "circle", "radius": "1"}),
        ("shape", {"shape": "circle", "radius": 1, "colour": "red"}),
        ("shape", {"shape": "star"}),
        ("shapes", [{"shape": "box", "sides": [1, 2], "inside": [{"shape": "box", "sides": [3, "4"]}]}]),
        ("tree", {"planted": "2030-01-31", "branches": [{"leaves": ["1"]}]}),
        ("validated", {"labels": ["a"], "pairs": [["1", "2030-01-31"]]}),
        ("validated", {"labels": ["a"], "pairs": [], "clock": 1}),
        ("unknown", 1),
    ],
)
async def test_what_json_schema_refuses_is_refused(
    client: httpx.AsyncClient, received: list[Everything], field: str, sent: object
) -> None:
    document = problem(await client.post("/received", json={field: sent}), 422, "validation_error")
    assert {tuple(error["location"][:2]) for error in document["errors"]} == {("body", field)}
    assert received == []


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
    """A multipart form may name the codec of its fields, and Python has codecs that make surrogates of escapes."""
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
async def test_numbers_that_json_does_not_know_are_refused(
    client: httpx.AsyncClient, received: list[Everything], field: str, number: str
) -> None:
    content = f'{{"{field}": {number}}}'
    answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
    document = problem(answer, 422, "validation_error")
    assert document["errors"][0]["location"] == ["body", field]
    assert received == []


async def test_body_that_is_nested_too_deeply_is_refused(client: httpx.AsyncClient, received: list[Everything]) -> None:
    for depth in (300, 900, 5000, 100_000):
        content = '{"anything": ' + "[" * depth + "]" * depth + "}"
        answer = await client.post("/received", content=content, headers={"Content-Type": "application/json"})
        problem(answer, 400, "bad_request")
    assert received == []


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
