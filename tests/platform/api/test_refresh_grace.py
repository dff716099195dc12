"""A used refresh token gets the same successor again within the grace period, and revokes its family after it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, func, select, text, update

from app.config import Settings
from app.features.users.models import User
from app.platform.auth.errors import InvalidRefreshToken
from app.platform.auth.models import RefreshToken
from app.platform.auth.service import AuthService
from app.platform.db.session import Database
from app.platform.security import digest
from app.services import Services
from tests.support.client import problem, sign_in, sign_up
from tests.support.sql import recorded_statements

REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"
off = pytest.mark.parametrize("settings", [0.0], indirect=True)


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Return the usual settings, with the grace period of the test's indirect parameter."""
    grace = getattr(request, "param", 10.0)
    return replace(settings, auth=settings.auth.model_copy(update={"refresh_grace": grace}))


@pytest.fixture
async def first(client: httpx.AsyncClient) -> str:
    """Return the refresh token of a sign-in."""
    await sign_up(client, "ada@example.com")
    token: str = (await sign_in(client, "ada@example.com"))["refresh_token"]
    return token


async def send(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(REFRESH, json={"refresh_token": token})


async def successor_of(client: httpx.AsyncClient, token: str) -> str:
    answer = await send(client, token)
    assert answer.status_code == 200, answer.text
    successor: str = answer.json()["refresh_token"]
    return successor


async def refused(client: httpx.AsyncClient, token: str) -> None:
    problem(await send(client, token), 401, "invalid_refresh_token")


async def change(database: Database, token: str, **values: Any) -> None:
    async with database.transaction() as session:
        await session.execute(update(RefreshToken).where(RefreshToken.token_digest == digest(token)).values(values))


async def family_size(database: Database, token: str) -> int:
    family = select(RefreshToken.family_id).where(RefreshToken.token_digest == digest(token)).scalar_subquery()
    async with database.read() as session:
        rows = await session.scalars(select(RefreshToken.id).where(RefreshToken.family_id == family))
        return len(rows.all())


async def test_lost_answer_is_given_again(client: httpx.AsyncClient, database: Database, first: str) -> None:
    lost = await successor_of(client, first)
    assert await successor_of(client, first) == lost
    assert await family_size(database, first) == 2
    assert await successor_of(client, lost) not in {first, lost}


async def test_slow_tab_gets_the_newest_token(client: httpx.AsyncClient, database: Database, first: str) -> None:
    second = await successor_of(client, first)
    third = await successor_of(client, second)
    assert await successor_of(client, first) == third
    assert await successor_of(client, second) == third
    assert await family_size(database, first) == 3


async def test_search_for_the_newest_token_is_limited(client: httpx.AsyncClient, first: str) -> None:
    newest = first
    for _ in range(33):
        newest = await successor_of(client, newest)
    await refused(client, first)
    assert await successor_of(client, newest)


@pytest.mark.parametrize(("age", "status"), [(9.9, 200), (10.0, 401)])
async def test_grace_ends(client: httpx.AsyncClient, database: Database, first: str, age: float, status: int) -> None:
    second = await successor_of(client, first)
    await change(database, first, used_at=func.now() - timedelta(seconds=age))
    assert (await send(client, first)).status_code == status
    assert (await send(client, second)).status_code == status


async def test_using_a_token_again_does_not_extend_the_grace_period(
    client: httpx.AsyncClient, database: Database, first: str
) -> None:
    second = await successor_of(client, first)
    await change(database, first, used_at=func.now() - timedelta(seconds=9))
    assert await successor_of(client, first) == second
    await change(database, first, used_at=RefreshToken.used_at - timedelta(seconds=1))
    await refused(client, first)


@pytest.mark.commits
async def test_using_a_token_an_hour_later_revokes_its_family(
    client: httpx.AsyncClient, database: Database, first: str
) -> None:
    second = await successor_of(client, first)
    third = await successor_of(client, second)
    await change(database, first, used_at=func.now() - timedelta(hours=1))
    await refused(client, first)
    for token in (second, third, first):
        await refused(client, token)


@off
async def test_without_grace_the_second_use_revokes(client: httpx.AsyncClient, first: str) -> None:
    second = await successor_of(client, first)
    await refused(client, first)
    await refused(client, second)


@off
async def test_without_grace_a_faster_request_revokes_too(
    client: httpx.AsyncClient, database: Database, first: str
) -> None:
    """A request that started later may use the token first, so the earlier request finds it used."""
    await successor_of(client, first)
    await change(database, first, used_at=func.now() + timedelta(seconds=1))
    await refused(client, first)


@off
@pytest.mark.commits
async def test_without_grace_one_of_concurrent_requests_gets_a_pair(client: httpx.AsyncClient, first: str) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(client, first)) for _ in range(4)]
    assert sorted(task.result().status_code for task in tasks) == [200, 401, 401, 401]


async def test_sign_out_ends_the_grace(client: httpx.AsyncClient, first: str) -> None:
    second = await successor_of(client, first)
    assert (await client.post(LOGOUT, json={"refresh_token": second})).status_code == 204
    await refused(client, first)
    await refused(client, second)


@pytest.mark.commits
async def test_sign_out_meets_a_refresh(client: httpx.AsyncClient, database: Database, first: str) -> None:
    """The sign-out must also revoke the new token of a refresh that it had to wait for."""
    second = await successor_of(client, first)
    held = select(RefreshToken.id).where(RefreshToken.token_digest == digest(second)).with_for_update()
    async with asyncio.TaskGroup() as group, database.transaction() as session:
        await session.execute(held)
        refresh = group.create_task(send(client, second))
        await waiting(database, 1)
        signed_out = group.create_task(client.post(LOGOUT, json={"refresh_token": first}))
        await waiting(database, 2)
    assert (refresh.result().status_code, signed_out.result().status_code) == (200, 204)
    await refused(client, refresh.result().json()["refresh_token"])


async def waiting(database: Database, count: int) -> None:
    """Wait until `count` sessions wait for a lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(30), database.read() as session:
        while await session.scalar(text(waits)) != count:
            await session.execute(text("SELECT pg_sleep(0.01)"))


@pytest.mark.parametrize("gone", [{"is_active": False}, {"deleted_at": func.now()}])
async def test_user_who_is_gone_gets_no_successor(
    client: httpx.AsyncClient, database: Database, first: str, gone: dict[str, Any]
) -> None:
    await successor_of(client, first)
    async with database.transaction() as session:
        await session.execute(update(User).values(gone))
    await refused(client, first)


async def test_expired_token_is_refused(client: httpx.AsyncClient, database: Database, first: str) -> None:
    second = await successor_of(client, first)
    for token in (first, second):
        await change(database, token, expires_at=func.now())
        await refused(client, token)


async def test_token_that_was_used_under_another_key_is_refused_and_revokes_nothing(
    client: httpx.AsyncClient, database: Database, services: Services, settings: Settings, first: str
) -> None:
    second = await successor_of(client, first)
    rotated = settings.auth.model_copy(update={"secret_key": SecretStr("r" * 32)})
    auth = AuthService(database, services.users, rotated)
    with pytest.raises(InvalidRefreshToken):
        await auth.refresh(first)
    assert (await auth.refresh(second)).refresh_token != second


async def test_token_that_was_used_under_an_earlier_key_gets_its_successor_again(
    client: httpx.AsyncClient, database: Database, services: Services, settings: Settings, first: str
) -> None:
    second = await successor_of(client, first)
    update = {"secret_key": SecretStr("r" * 32), "old_secret_keys": (settings.auth.secret_key,)}
    auth = AuthService(database, services.users, settings.auth.model_copy(update=update))
    assert (await auth.refresh(first)).refresh_token == second


async def test_refresh_is_three_statements(client: httpx.AsyncClient, first: str, sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        await successor_of(client, first)
    assert [statement.split()[0] for statement in statements] == ["UPDATE", "INSERT", "SELECT"]
