"""The pool: its numbers by profile and setting, and how long it keeps connections."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from sqlalchemy import event, text
from sqlalchemy.pool import NullPool

from app.platform.db import pool, pool_classes
from app.platform.db.pool_classes import Pooled
from app.platform.db.session import Database
from app.platform.settings import PoolProfile
from tests.support.databases import settings_for

URL = "postgresql://x/y"


@pytest.mark.parametrize(
    ("profile", "size", "overflow", "recycle"),
    [
        (PoolProfile.SMALL, 5, 5, 3600),
        (PoolProfile.MEDIUM, 20, 10, 1800),
        (PoolProfile.HIGH, 50, 20, 900),
    ],
)
async def test_profile_is_what_the_engine_gets(profile: PoolProfile, size: int, overflow: int, recycle: int) -> None:
    settings = settings_for(URL, pool_profile=profile)
    assert pool.describe(settings) == {
        "profile": profile,
        "size": size,
        "overflow": overflow,
        "recycle": recycle,
        "total": size + overflow,
    }
    database = Database(settings)
    await database.init()
    engine_pool = database.engine.sync_engine.pool
    assert isinstance(engine_pool, Pooled)
    assert (engine_pool.kept, engine_pool.size()) == (size, size + overflow + 2)
    await database.close()


def test_each_number_can_be_set_by_itself() -> None:
    settings = settings_for(URL, pool_profile=PoolProfile.HIGH, pool_size=7, max_overflow=0, pool_recycle=60.0)
    arguments = pool.engine_arguments(settings)
    assert arguments.pop("poolclass").kept == 7
    # with the gate's spare place, and a readiness check
    assert arguments == {"pool_size": 9, "max_overflow": 0, "pool_recycle": 60.0, "pool_timeout": 30.0}


async def test_external_pooler_means_no_pool_here() -> None:
    settings = settings_for(URL, pool_profile=PoolProfile.EXTERNAL_POOLER)
    assert pool.describe(settings) == {"profile": PoolProfile.EXTERNAL_POOLER, "pool": "external"}
    database = Database(settings)
    await database.init()
    assert isinstance(database.engine.sync_engine.pool, NullPool)
    await database.close()


class Small:
    """A database with one connection and five more for bursts, which counts the connections that it opens."""

    def __init__(self, url: str) -> None:
        self.database = Database(settings_for(url, pool_size=1, max_overflow=5))
        self.opened = 0

    def count(self, *_: object) -> None:
        self.opened += 1

    @property
    def pool(self) -> Pooled:
        found = self.database.engine.sync_engine.pool
        assert isinstance(found, Pooled)
        return found

    async def burst(self, clients: int) -> None:
        """Let clients read at the same time, several times each."""

        async def work() -> None:
            for _ in range(10):
                async with self.database.read() as session:
                    await session.execute(text("SELECT 1"))

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(work())


@pytest.fixture
async def small(migrated_url: str) -> AsyncIterator[Small]:
    small = Small(migrated_url)
    await small.database.init()
    event.listen(small.database.engine.sync_engine, "connect", small.count)
    yield small
    await small.database.close()


async def test_connections_beyond_the_size_stay_while_they_are_needed(small: Small) -> None:
    await small.burst(clients=20)
    # each was opened once, and none was opened again for the next clients
    assert (small.opened, small.pool.checkedin()) == (6, 6)
    await small.burst(clients=4)
    assert (small.opened, small.pool.checkedin()) == (6, 6)


async def test_connections_beyond_the_size_are_closed_when_they_were_not_needed_lately(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter((0, 40, 75, 200))
    now = 0.0
    monkeypatch.setattr(pool_classes, "time", SimpleNamespace(monotonic=lambda: now))
    kept = []
    for clients in (20, 5, 5, 1):
        now = 1000.0 + next(seconds)
        await small.burst(clients)
        kept.append(small.pool.checkedin())
    # five at a time were still needed, and went back at the same time
    assert kept == [6, 6, 5, 1]
    assert small.opened == 6


async def test_disposed_engine_has_the_same_pool(small: Small) -> None:
    await small.burst(clients=6)
    await small.database.engine.dispose()
    assert (small.pool.kept, small.pool.size(), small.pool.checkedin()) == (1, 8, 0)
