"""The end of unpaid orders changes the summaries of their owners, which are cached."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, update

from app.config import Settings
from app.features.orders.models import Order
from app.platform.db.session import Database
from app.services import Services
from tests.features.orders.baskets import BASKET, register
from tests.support.caches import with_cache
from tests.support.sql import recorded_statements


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """Return settings with the cache."""
    return with_cache(settings, redis_url)


async def test_cancelled_orders_change_the_summaries_of_their_owners(
    services: Services, database: Database, sql_engine: Engine
) -> None:
    ada, bob, eve = owners = [await register(services) for _ in range(3)]
    for owner in (ada, ada, bob, eve):
        await services.orders.create(owner, BASKET)

    async def statuses(owner: UUID) -> list[str]:
        return [part.status.value for part in (await services.orders.summary(owner)).by_status]

    assert [await statuses(owner) for owner in owners] == [["pending"]] * 3
    async with database.transaction() as session:
        old = {"created_at": func.now() - timedelta(days=30)}
        await session.execute(update(Order).where(Order.user_id != eve).values(old))
    assert await services.payments.cancel_unpaid() == 3
    with recorded_statements(sql_engine) as statements:
        assert [await statuses(owner) for owner in owners] == [["cancelled"], ["cancelled"], ["pending"]]
    assert len(statements) == 2
