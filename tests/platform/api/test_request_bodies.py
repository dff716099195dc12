"""Request bodies of every type accept exactly the values that the OpenAPI document describes."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from pydantic import SecretStr

from app.platform.schemas import Base64, ResponseModel
from tests.platform.support.everything import Box, Branch, Circle, Colour, Converted, Everything, Level, Tree, Validated
from tests.support.client import problem

UUID_TEXT = "6c84fb90-12c4-11e1-840d-7b25c5ee775a"

ACCEPTED = [
    ("whole", 7, 7),
    ("whole", 2.0, 2),
    ("number", 7, 7.0),
    ("flag", True, True),
    ("day", "2030-01-31", date(2030, 1, 31)),
    ("moment", "2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
    ("moment", "2030-01-31T12:00:00+09:00", datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=9)))),
    ("moment", "9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("moment", "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ("local", "2030-01-31T12:00:00", datetime(2030, 1, 31, 12)),  # noqa: DTZ001 (the field asks for one)
    ("clock", "12:30:00", time(12, 30)),
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
    ("labels", ["a", "b"], {"a", "b"}),
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
        {"planted": "2030-01-31", "branches": [{"tree": {"planted": "2031-01-31"}, "leaves": [1]}]},
        Tree(planted=date(2030, 1, 31), branches=[Branch(tree=Tree(planted=date(2031, 1, 31)), leaves={1})]),
    ),
    (
        "validated",
        {"labels": ["a", "b"], "clock": "12:30:00", "pairs": [[1, "2030-01-31"]]},
        Validated(labels=frozenset("ab"), clock=time(12, 30), pairs=[(1, date(2030, 1, 31))]),
    ),
    (
        "converted",
        {"day": "20300131", "amount": "1,50", "epoch": 0},
        Converted.model_construct(
            day=date(2030, 1, 31), amount=Decimal("1.50"), epoch=datetime(1970, 1, 1, tzinfo=UTC)
        ),
    ),
    ("packed", "AAEC/w==", b"\x00\x01\x02\xff"),
    ("packed", "", b""),
    ("address", "::1", IPv6Address("::1")),
    ("address", "192.0.2.1", IPv4Address("192.0.2.1")),
    ("code", "a", "A"),
    ("code", -1, 1),
    ("anything", {"a": [1, None, "x", 1.5]}, {"a": [1, None, "x", 1.5]}),
]


@pytest.mark.parametrize(("field", "sent", "expected"), ACCEPTED)
async def test_valid_values_are_accepted(
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
        ("moment", "9999-12-31T23:59:59.999999Z"),
        ("moment", "9999-12-31T23:59:59-00:01"),
        ("moment", "0001-01-01T00:00:00+00:01"),
        ("moment", 1_700_000_000),
        ("moment", "1700000000"),
        ("local", "2030-01-31T12:00:00Z"),
        ("clock", 3600),
        ("clock", "12:30:00Z"),
        ("clock", "12:30:00+02:00"),
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
        ("labels", ["a", "b", "a"]),
        ("labels", "ab"),
        ("labels", [1]),
        ("packed", "!!!"),
        ("packed", "AAEC/w="),
        ("packed", "AAEC_w=="),
        ("packed", "AAEC===="),
        ("packed", "\u00e9"),
        ("packed", 7),
        ("packed", "AAAAAAAAAA=="),
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
        ("validated", {"labels": ["a"], "clock": "12:30:00", "pairs": [["1", "2030-01-31"]]}),
        ("validated", {"labels": ["a"], "pairs": [], "clock": 1}),
        ("unknown", 1),
    ],
)
async def test_invalid_values_are_refused(
    client: httpx.AsyncClient, received: list[Everything], field: str, sent: object
) -> None:
    document = problem(await client.post("/received", json={field: sent}), 422, "validation_error")
    assert {tuple(error["location"][:2]) for error in document["errors"]} == {("body", field)}
    assert received == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"text": "\xff"}', "The body is not text in UTF-8."),
        (b"[" * 100_000, "The body is nested too deep."),
        (b'{"whole": ' + b"1" * 5000 + b"}", "A number in the body has too many digits."),
        (b"{", "The body is not valid JSON."),
    ],
)
@pytest.mark.usefixtures("received")
async def test_body_that_cannot_be_parsed_is_told_why(client: httpx.AsyncClient, body: bytes, detail: str) -> None:
    answer = await client.post("/received", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 400, "bad_request")["detail"] == detail


async def test_routes_say_themselves_what_is_wrong(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/bought")
    async def buy(request: Request, coupon: str = "") -> None:
        try:
            bytes.fromhex(coupon + (await request.body()).decode())
        except ValueError as error:
            raise HTTPException(400, "This is no coupon.") from error

    for sent in ({"params": {"coupon": "x"}}, {"content": b"\xff", "headers": {"Content-Encoding": "gzip"}}):
        answer = await client.post("/bought", **sent)
        assert problem(answer, 400, "bad_request")["detail"] == "This is no coupon."

    @app.post("/packed")
    async def pack(box: Box) -> None:
        raise HTTPException(400, f"There is no box of {box.sides}.")

    body = {"shape": "box", "sides": [2, 3]}
    answer = await client.post("/packed", json=body, headers={"Content-Encoding": "gzip"})
    assert problem(answer, 400, "bad_request")["detail"] == "There is no box of (2, 3)."


async def test_bytes_are_answered_as_base64(app: FastAPI, client: httpx.AsyncClient) -> None:
    class Packed(ResponseModel):
        packed: Base64
        nothing: Base64 | None = None

    @app.get("/packed")
    async def show() -> Packed:
        return Packed.model_validate(SimpleNamespace(packed=bytes(range(250, 256)), nothing=None))

    assert (await client.get("/packed")).json() == {"packed": "+vv8/f7/", "nothing": None}
    assert Packed.model_validate_json('{"packed": "+vv8/f7/"}').packed == bytes(range(250, 256))
    assert Packed(packed=b"\xff").model_dump() == {"packed": b"\xff", "nothing": None}
