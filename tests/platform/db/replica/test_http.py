"""A service with a replica that has fallen behind, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
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

ME = "/api/v1/users/me"
NEW = {"email": "ada@example.com", "full_name": "Ada", "password": "correct horse battery staple"}


@pytest.fixture
async def client(pair: Pair, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the service, whose replica is in use."""
    # it runs an event loop of its own
    await asyncio.to_thread(migrate, pair.primary.url)
    await pair.caught_up()
    database = settings_for(pair.primary.url, replica_url=pair.replica.url)
    settings = replace(settings, database=database)
    async with Resources(settings) as resources:
        assert resources.database.replicas
        await resources.database.replicas.ping()
        async with client_of(create_app(settings), State(resources=resources, services=Services(resources))) as client:
            yield client


async def test_a_new_user_finds_the_account_and_its_changes(pair: Pair, client: httpx.AsyncClient) -> None:
    await pair.replica.pause()
    try:
        assert (await client.post("/api/v1/users", json=NEW)).status_code == 201
        form = {"username": NEW["email"], "password": NEW["password"]}
        tokens = (await client.post("/api/v1/auth/token", data=form)).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        assert (await client.get(ME)).json()["full_name"] == "Ada"
        assert (await client.patch(ME, json={"full_name": "Ada L."})).status_code == 200
        assert (await client.get(ME)).json()["full_name"] == "Ada L."
        # the replica does not know yet that the account is closed, but writes ask the primary
        await execute(pair.primary.url, "UPDATE users SET is_active = false")
        assert (await client.patch(ME, json={"full_name": "Eve"})).status_code == 401
    finally:
        await pair.replica.resume()


async def test_readiness_shows_the_replica_and_does_not_depend_on_it(pair: Pair, client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.json()["checks"]["replica"] == {"status": "ok", "critical": False}
    pair.replica.stop()

    async def shown() -> bool:
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        return bool(answer.json()["checks"]["replica"]["status"] == "failed")

    try:
        await eventually(shown)
    finally:
        pair.replica.start()
