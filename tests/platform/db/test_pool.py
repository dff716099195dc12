"""The numbers of the pool, by profile and setting."""

import pytest
from sqlalchemy.pool import NullPool, QueuePool

from app.platform.db import pool
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
    assert isinstance(engine_pool, QueuePool)
    assert engine_pool.size() == size
    await database.close()


def test_each_number_can_be_set_by_itself() -> None:
    settings = settings_for(URL, pool_profile=PoolProfile.HIGH, pool_size=7, max_overflow=0, pool_recycle=60.0)
    assert pool.engine_arguments(settings) == {
        "poolclass": Pooled,
        "pool_size": 7,
        # the gate's spare place, and a readiness check
        "max_overflow": 2,
        "pool_recycle": 60.0,
        "pool_timeout": 30.0,
    }


async def test_external_pooler_means_no_pool_here() -> None:
    settings = settings_for(URL, pool_profile=PoolProfile.EXTERNAL_POOLER)
    assert pool.describe(settings) == {"profile": PoolProfile.EXTERNAL_POOLER, "pool": "external"}
    database = Database(settings)
    await database.init()
    assert isinstance(database.engine.sync_engine.pool, NullPool)
    await database.close()
