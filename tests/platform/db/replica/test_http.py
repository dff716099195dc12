"""A service with a replica that has fallen behind, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2 as httpx
import pytest

from app.config import Settings
from app.main import create_app
from app.platform.http.lifespan import State
from app.resources import Resources
from app.services import Services
from tests.platform.support.replication import Pair, eventually
from tests.support.client import client_of
from tests.support.databases import execute, migrate, settings_for

USERS = "/api/v1/users"
ME = f"{USERS}/me"
NEW = {"email": "ada@example.com", "full_name": "Ada", "password": "correct horse battery staple"}


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a process whose replica is in use."""
    async with Resources(settings) as resources:
        assert resources.database.replicas
        await resources.database.replicas.ping()
        async with client_of(create_app(settings), State(resources=resources, services=Services(resources))) as client:
            yield client


@pytest.fixture
async def clients(pair: Pair, settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Yield clients of two processes, which do not tell each other who has written."""
    # it runs an event loop of its own
    await asyncio.to_thread(migrate, pair.primary.url)
    await pair.caught_up()
    settings = replace(settings, database=settings_for(pair.primary.url, replica_url=pair.replica.url))
    async with process(settings) as one, process(settings) as other:
        yield one, other


async def test_a_new_user_finds_the_account_and_its_changes(
    pair: Pair, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    client, _ = clients
    await pair.replica.pause()
    try:
        assert (await client.post(USERS, json=NEW)).status_code == 201
        await sign_in(client)
        # its accounts come from the primary in any case, but a page of all users does not
        await execute(pair.primary.url, "UPDATE users SET is_admin = true")
        assert [each["full_name"] for each in (await client.get(USERS)).json()["items"]] == ["Ada"]
        assert (await client.patch(ME, json={"full_name": "Ada L."})).status_code == 200
        assert [each["full_name"] for each in (await client.get(USERS)).json()["items"]] == ["Ada L."]
    finally:
        await pair.replica.resume()
        await execute(pair.primary.url, "TRUNCATE users CASCADE")


async def test_rights_are_those_of_the_primary(
    pair: Pair, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    client, other = clients
    await client.post(USERS, json=NEW)
    await sign_in(client)
    other.headers.update(client.headers)
    await execute(pair.primary.url, "UPDATE users SET is_admin = true")
    await pair.caught_up()
    await pair.replica.pause()
    try:
        await execute(pair.primary.url, "UPDATE users SET full_name = 'Eve'")
        # the other process does not know that the user has written, so it reads from the replica
        assert [each["full_name"] for each in (await other.get(USERS)).json()["items"]] == ["Ada"]
        await execute(pair.primary.url, "UPDATE users SET is_admin = false")
        assert (await other.get(USERS)).status_code == 403
        await execute(pair.primary.url, "UPDATE users SET is_active = false")
        assert (await other.patch(ME, json={"full_name": "Ada"})).status_code == 401
        assert (await other.post("/api/v1/auth/logout-everywhere")).status_code == 401
    finally:
        await pair.replica.resume()
        await execute(pair.primary.url, "TRUNCATE users CASCADE")


async def sign_in(client: httpx.AsyncClient) -> None:
    form = {"username": NEW["email"], "password": NEW["password"]}
    tokens = (await client.post("/api/v1/auth/token", data=form)).json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"


async def test_readiness_shows_the_replica_and_does_not_depend_on_it(
    pair: Pair, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    client, _ = clients
    answer = await client.get("/readyz")
    assert answer.json()["checks"]["postgresql_replica"] == {"status": "ok", "critical": False}
    pair.replica.stop()

    async def shown() -> bool:
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        return bool(answer.json()["checks"]["postgresql_replica"]["status"] == "failed")

    try:
        await eventually(shown)
    finally:
        pair.replica.start()
