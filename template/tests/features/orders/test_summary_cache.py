"""The summary comes from Redis until one of the user's orders changes, in both styles of data access."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from contextvars import Context
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.config import Settings
from app.features.orders.service import OrderService
from app.platform.db.session import Database
from app.platform.db.shared import shared_transaction
from app.platform.http.lifespan import State
from app.resources import Resources
from app.services import Services
from dev import services as servers
from tests.features.orders.baskets import BASKET, batches, claim, register
from tests.support.caches import with_cache
from tests.support.client import client_of, sign_up
from tests.support.sql import recorded_statements

ORDERS = "/api/v1/orders"
BODY = BASKET.model_dump(mode="json")
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """Return settings with the cache."""
    return with_cache(settings, redis_url)


async def counts(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, int]:
    """Return the number of the user's orders by status, as the summary says."""
    summary = (await client.get(f"{ORDERS}/summary", headers=headers)).json()
    return {part["status"]: part["count"] for part in summary["by_status"]}


async def test_each_change_of_an_order_shows_at_once_and_only_to_its_owner(
    client: httpx.AsyncClient, sql_engine: Engine
) -> None:
    ada, bob = await sign_up(client), await sign_up(client)

    async def change(path: str, **request: Any) -> str:
        headers = ada | request.pop("headers", {})
        return str((await client.post(f"{ORDERS}{path}", headers=headers, **request)).json().get("id"))

    async def shows(expected: dict[str, int]) -> None:
        assert await counts(client, ada) == expected
        with recorded_statements(sql_engine) as statements:
            assert [await counts(client, user) for user in (ada, bob)] == [expected, {}]
        assert statements == []

    assert await counts(client, bob) == {}
    await shows({})
    first = await change("", json=BODY)
    await shows({"pending": 1})
    second = await change("", json=BODY, headers={"Idempotency-Key": "one"})
    await shows({"pending": 2})
    await change(f"/{first}/pay")
    await shows({"paid": 1, "pending": 1})
    await change(f"/{second}/cancel")
    await shows({"cancelled": 1, "paid": 1})
    await change("/import", content=BASKET.model_dump_json(), headers=NDJSON)
    await shows({"cancelled": 1, "paid": 1, "pending": 1})


async def test_what_is_refused_changes_no_summary(client: httpx.AsyncClient, sql_engine: Engine) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    once = ada | {"Idempotency-Key": "once"}
    key = (await client.post(ORDERS, json=BODY, headers=once)).json()["id"]
    paid = (await client.post(ORDERS, json=BODY, headers=ada)).json()["id"]
    await client.post(f"{ORDERS}/{paid}/pay", headers=ada)
    assert await counts(client, ada) == {"paid": 1, "pending": 1}
    refused = [
        await client.post(ORDERS, json={"lines": []}, headers=ada),
        await client.post(ORDERS, json={"lines": BODY["lines"][:1]}, headers=once),
        await client.post(f"{ORDERS}/import", content=b'{"lines": []}', headers=ada | NDJSON),
        await client.post(f"{ORDERS}/{key}/pay", headers=bob),
        await client.post(f"{ORDERS}/{uuid4()}/pay", headers=ada),
        await client.post(f"{ORDERS}/{paid}/pay", headers=ada),
        await client.post(f"{ORDERS}/{paid}/cancel", headers=ada),
    ]
    assert [answer.status_code for answer in refused] == [422, 422, 422, 404, 404, 409, 409]
    with recorded_statements(sql_engine) as statements:
        assert await counts(client, ada) == {"paid": 1, "pending": 1}
    assert statements == []


Write = Callable[[OrderService], Awaitable[object]]


@pytest.mark.commits
async def test_summary_changes_when_a_shared_transaction_has_committed(
    orders: OrderService, services: Services, database: Database, resources: Resources
) -> None:
    owner = await register(services)
    keys = [(await orders.create(owner, BASKET)).id for _ in range(2)]
    writes: tuple[Write, ...] = (
        lambda joined: joined.create(owner, BASKET),
        lambda joined: joined.create(owner, BASKET, claim(owner)),
        lambda joined: joined.pay(owner, keys[0]),
        lambda joined: joined.cancel(owner, keys[1]),
        lambda joined: joined.import_all(owner, batches(1, 1)),
    )
    for write in writes:
        async with shared_transaction(database) as steps:
            await write(OrderService(steps, caches=resources.caches))
            # as another request does, which stores what it reads
            before = await asyncio.create_task(orders.summary(owner), context=Context())
        after = await orders.summary(owner)
        assert after != before
        assert after == await OrderService(database).summary(owner)


async def test_without_redis_summaries_come_from_the_database(
    app: FastAPI, settings: Settings, database: Database
) -> None:
    with ExitStack() as server:
        settings = with_cache(settings, server.enter_context(servers.redis()))
        async with (
            Resources(settings, database) as resources,
            client_of(app, State(resources=resources, services=Services(resources))) as client,
        ):
            ada = await sign_up(client)
            assert await counts(client, ada) == {}
            server.close()
            for expected in (1, 2):
                assert (await client.post(ORDERS, json=BODY, headers=ada)).status_code == 201
                assert await counts(client, ada) == {"pending": expected}
