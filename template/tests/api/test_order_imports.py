"""The contract of /api/v1/orders/import."""

import json
from dataclasses import replace

import httpx2 as httpx
import pytest

from app.config import Settings
from app.main import create_app
from app.platform.http.lifespan import State
from tests.support.client import client_of, problem, sign_up

ORDERS = "/api/v1/orders"
TEA = {"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}
BODY = {"lines": [TEA, {"sku": "CUP", "quantity": 1, "unit_price_cents": 1200}]}


def ndjson(*documents: object) -> bytes:
    return b"\n".join(json.dumps(document).encode() for document in documents)


async def test_import_stores_every_line(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    answer = await client.post(
        f"{ORDERS}/import",
        content=ndjson(*[BODY] * 2500) + b"\n\n",
        headers=headers | {"Content-Type": "application/x-ndjson"},
    )
    assert (answer.status_code, answer.json()) == (200, {"imported": 2500})
    summary = (await client.get(f"{ORDERS}/summary", headers=headers)).json()
    assert (summary["count"], summary["total_cents"]) == (2500, 2500 * 2198)
    page = (await client.get(ORDERS, params={"limit": 1}, headers=headers)).json()
    assert page["items"][0]["lines"] == BODY["lines"]


@pytest.mark.parametrize(
    ("last", "detail"),
    [
        (b'{"lines": []}', "Line 1501: lines: "),
        (b'{"lines": [{"sku": "x", "quantity": 1}]}', "Line 1501: lines.0.unit_price_cents: "),
        (b"not json", "Line 1501: document: "),
        (b"x" * 70_000, "longer than 65536 bytes"),
    ],
)
async def test_import_with_one_bad_line_stores_nothing(client: httpx.AsyncClient, last: bytes, detail: str) -> None:
    headers = await sign_up(client)
    answer = await client.post(
        f"{ORDERS}/import",
        content=ndjson(*[BODY] * 1500) + b"\n" + last,
        headers=headers | {"Content-Type": "application/x-ndjson"},
    )
    assert detail in problem(answer, 422, "invalid_import")["detail"]
    assert (await client.get(f"{ORDERS}/summary", headers=headers)).json()["count"] == 0


async def test_import_takes_only_ndjson(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    answer = await client.post(f"{ORDERS}/import", json=BODY, headers=headers)
    problem(answer, 415, "unsupported_media_type")


async def test_import_of_nothing_imports_nothing(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Content-Type": "application/x-ndjson"}
    assert (await client.post(f"{ORDERS}/import", content=b"", headers=headers)).json() == {"imported": 0}


async def test_import_may_be_larger_than_other_requests(settings: Settings, state: State) -> None:
    small = replace(settings, http=settings.http.model_copy(update={"max_body_bytes": 1024}))
    async with client_of(create_app(small), state) as client:
        headers = await sign_up(client) | {"Content-Type": "application/x-ndjson"}
        answer = await client.post(f"{ORDERS}/import", content=ndjson(*[BODY] * 100), headers=headers)
    assert answer.json() == {"imported": 100}


async def test_import_with_an_idempotency_key_is_stored_once(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Content-Type": "application/x-ndjson", "Idempotency-Key": "import-1"}
    first = await client.post(f"{ORDERS}/import", content=ndjson(BODY, BODY), headers=headers)
    again = await client.post(f"{ORDERS}/import", content=ndjson(BODY, BODY), headers=headers)
    assert (first.json(), again.json()) == ({"imported": 2}, {"imported": 2})
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert (await client.get(f"{ORDERS}/summary", headers=headers)).json()["count"] == 2
    other = await client.post(f"{ORDERS}/import", content=ndjson(BODY), headers=headers)
    problem(other, 422, "idempotency_key_reused")
