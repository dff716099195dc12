"""The number of statements and round trips of the service of orders, in both styles of data access."""

from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from app.features.orders.errors import OrderNotFound
from app.features.orders.schemas import LineCreate, OrderCreate
from app.features.orders.service import OrderService
from app.features.users.schemas import UserCreate
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database
from app.services import Services
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips, recorded_statements

BASKET = OrderCreate(lines=[LineCreate(sku=sku, quantity=1, unit_price_cents=499) for sku in ("TEA", "CUP")])


async def test_number_of_statements_does_not_grow_with_the_orders(services: Services, sql_engine: Engine) -> None:
    orders = services.orders
    user = UserCreate(email="ada@example.com", password=SecretStr("correct horse battery"))
    owner = (await services.users.create(user)).id
    placed = [await orders.create(owner, BASKET) for _ in range(5)]
    with recorded_statements(sql_engine) as statements:
        await orders.get(owner, placed[0].id)
    assert len(statements) == 1
    with recorded_statements(sql_engine) as statements:
        assert len((await orders.page(owner, PageRequest())).items) == 5
    assert len(statements) == 2
    with recorded_statements(sql_engine) as statements:
        await orders.pay(owner, placed[0].id)
    assert len(statements) == 3


async def test_reads_are_a_round_trip_a_statement(migrated_url: str) -> None:
    async with RoundTrips(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()
        orders = OrderService(database)
        nobody = uuid4()

        async def get() -> None:
            with pytest.raises(OrderNotFound):
                await orders.get(nobody, uuid4())

        async def page() -> None:
            await orders.page(nobody, PageRequest())

        async def summary() -> None:
            await orders.summary(nobody)

        for call in (get, page, summary):
            for _ in range(6):  # psycopg prepares a statement when it has seen it five times
                await call()
            before = proxy.count
            await call()
            assert proxy.count - before == 1, call
        await database.close()
