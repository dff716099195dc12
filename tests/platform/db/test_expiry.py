"""Rows that have expired are deleted in statements of limited size."""

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select, text

from app.platform.auth.models import RefreshToken
from app.platform.db.expiry import delete_before
from app.platform.db.session import Database
from app.platform.idempotency import IdempotencyKey, forget
from app.services import Services
from tests.platform.support.trouble import rival
from tests.support.sql import recorded_statements

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def token(hours: float) -> RefreshToken:
    """Return a token that expires so many hours after `NOW`."""
    expires = NOW + timedelta(hours=hours)
    return RefreshToken(user_id=uuid4(), family_id=uuid4(), token_digest=str(hours), expires_at=expires)


async def test_a_year_is_deleted_hour_by_hour_and_hours_without_rows_cost_nothing(
    database: Database, sql_engine: Engine
) -> None:
    async with database.transaction() as session:
        session.add_all(map(token, (-9000, -8999.5, -8999, -5, -0.25, -0.001, 0, 1)))
        await session.flush()
        with recorded_statements(sql_engine) as statements:
            assert await delete_before(lambda: nullcontext(session), RefreshToken.expires_at, NOW) == 6
        assert sum(each.startswith("DELETE") for each in statements) == 4
        left = await session.scalars(select(RefreshToken.token_digest).order_by(RefreshToken.expires_at))
        assert left.all() == ["0", "1"]
        assert await delete_before(lambda: nullcontext(session), RefreshToken.expires_at, NOW) == 0


async def test_an_empty_table_is_no_work(database: Database) -> None:
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 0
        assert await delete_before(lambda: nullcontext(session), RefreshToken.expires_at, NOW) == 0


async def test_rows_that_never_expire_stay(database: Database) -> None:
    """Drivers cannot read such a time."""
    async with database.transaction() as session:
        session.add_all(map(token, (-5, -4)))
        await session.flush()
        for digest, expires in (("-5", "infinity"), ("-4", "-infinity")):
            values = {"digest": digest, "expires": expires}
            await session.execute(
                text(
                    "UPDATE refresh_tokens SET expires_at = CAST(CAST(:expires AS text) AS timestamptz)"
                    " WHERE token_digest = CAST(:digest AS text)"
                ),
                values,
            )
        session.add(token(-3))
        await session.flush()
        assert await delete_before(lambda: nullcontext(session), RefreshToken.expires_at, NOW) == 1


async def test_clocks_that_are_set_back_by_more_than_an_hour(database: Database) -> None:
    """Behind a pooler, sessions may have the zone of their role."""
    first = datetime(2025, 10, 26, 1, 10, tzinfo=UTC)
    async with database.transaction() as session, asyncio.timeout(20):
        await session.execute(text("SET LOCAL TIME ZONE 'Antarctica/Troll'"))
        session.add_all(token((first - NOW) / timedelta(hours=1) + each) for each in (0, 0.5, 1, 1.5))
        await session.flush()
        before = first + timedelta(hours=1.25)
        assert await delete_before(lambda: nullcontext(session), RefreshToken.expires_at, before) == 3


@pytest.mark.commits
async def test_users_sign_out_while_years_of_tokens_are_deleted(
    database: Database, services: Services, migrated_url: str
) -> None:
    """In one transaction, each deleted row would stay locked until the last one is deleted."""
    user, now = uuid4(), datetime.now(UTC)
    async with database.transaction() as session:
        for name, days in (("old", 700), ("new", 1)):
            values = {"user_id": user if name == "old" else uuid4(), "family_id": uuid4(), "token_digest": name}
            session.add(RefreshToken(expires_at=now - timedelta(days=days), **values))
    async with asyncio.timeout(20):
        async with rival(migrated_url) as other:
            await other.execute(text("UPDATE refresh_tokens SET revoked_at = now() WHERE token_digest = 'new'"))
            deleting = asyncio.ensure_future(services.auth.forget_expired())
            while not await other.scalar(WAITING):  # noqa: ASYNC110 (PostgreSQL sends no event)
                await asyncio.sleep(0.01)
            left = await other.scalars(text("SELECT token_digest FROM refresh_tokens"))
            assert left.all() == ["new"]
            # this would wait for the row that was deleted first
            await asyncio.create_task(services.auth.sign_out_everywhere(user))
        assert await deleting == 2


@pytest.mark.commits
async def test_keys_of_an_hour_are_deleted_for_good_before_those_of_the_next(
    database: Database, migrated_url: str
) -> None:
    now = datetime.now(UTC)
    async with database.transaction() as session:
        for key, hours in (("old", 50), ("new", 30)):
            created = now - timedelta(hours=hours)
            session.add(IdempotencyKey(user_id=uuid4(), key=key, request_digest="x", created_at=created))
    async with asyncio.timeout(20):
        async with rival(migrated_url) as other:
            await other.execute(text("UPDATE idempotency_keys SET request_digest = 'y' WHERE key = 'new'"))
            deleting = asyncio.ensure_future(forget(database.transaction, now - timedelta(days=1)))
            while not await other.scalar(WAITING):  # noqa: ASYNC110 (PostgreSQL sends no event)
                await asyncio.sleep(0.01)
            assert (await other.scalars(text("SELECT key FROM idempotency_keys"))).all() == ["new"]
        assert await deleting == 2


async def test_keys_are_deleted_in_the_transaction_of_a_session(database: Database) -> None:
    """As commands of services have it that were made before 0.8.1."""
    async with database.transaction() as session:
        for hours in (50, 30, 1):
            created = NOW - timedelta(hours=hours)
            session.add(IdempotencyKey(user_id=uuid4(), key="x", request_digest="x", created_at=created))
        await session.flush()
        assert await forget(session, NOW - timedelta(days=1)) == 2
