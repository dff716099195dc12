"""Values that PostgreSQL or its driver cannot store are the client's mistake, on both drivers: status 422."""

import re
from decimal import Decimal
from typing import Annotated, Any

import httpx2 as httpx
import pytest
import structlog
from fastapi import Body, FastAPI
from sqlalchemy import MetaData, Numeric, SmallInteger, String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.mixins import UuidKey
from app.platform.db.session import Database
from tests.support.client import problem

REASON = re.compile(r"\w+: \((sqlstate \w{5}|text left out, because it may quote values)\)")


class Narrow(UuidKey, Base):
    """A table with columns that cannot have every value; the metadata of its own keeps migrations away."""

    metadata = MetaData()
    __tablename__ = "narrow"

    whole: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(SmallInteger)
    money: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    exact: Mapped[Decimal | None]
    short: Mapped[str | None] = mapped_column(String(3))
    data: Mapped[dict[str, Any] | None]
    numbers: Mapped[list[int] | None]
    texts: Mapped[list[str] | None]


@pytest.fixture
async def narrow(app: FastAPI, database: Database) -> type[Narrow]:
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Narrow.metadata.create_all)

    @app.post("/exact")
    async def store_exact(exact: Annotated[Decimal, Body(embed=True)]) -> None:
        async with database.transaction() as session:
            session.add(Narrow(exact=exact))

    @app.post("/stored")
    async def store(body: dict[str, Any]) -> None:
        async with database.transaction() as session:
            session.add(Narrow(**body))

    @app.get("/found")
    async def find(whole: int) -> list[int]:
        async with database.read() as session:
            return list(await session.scalars(select(Narrow.whole).where(Narrow.whole == whole)))

    return Narrow


@pytest.mark.parametrize(
    "body",
    [
        {"whole": 2**31},
        {"whole": -(2**70)},
        {"small": 2**15},
        {"money": 1e10},
        {"short": "abcd"},
        {"short": "a\0"},
        {"data": {"a": "\0"}},
        {"data": {"\0": 1}},
        {"numbers": [2**31]},
        {"texts": ["a", "\0"]},
    ],
)
@pytest.mark.usefixtures("narrow")
async def test_value_that_cannot_be_stored_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    with structlog.testing.capture_logs() as logs:
        problem(await client.post("/stored", json=body), 422, "value_refused")
    (event,) = [log for log in logs if log["event"] == "database_error"]
    # without the driver's message, which may have the value
    assert REASON.fullmatch(event["reason"])


@pytest.mark.parametrize("exact", ["1e131072", "-1e200000", "1e-16384", "0." + "1" * 20_000])
@pytest.mark.usefixtures("narrow")
async def test_number_beyond_the_range_of_numeric_is_refused(client: httpx.AsyncClient, exact: str) -> None:
    problem(await client.post("/exact", json={"exact": exact}), 422, "value_refused")


@pytest.mark.usefixtures("narrow")
async def test_value_that_cannot_be_compared_is_refused(client: httpx.AsyncClient) -> None:
    problem(await client.get(f"/found?whole={2**31}"), 422, "value_refused")


@pytest.mark.usefixtures("narrow")
async def test_value_of_another_type_is_a_bug(client: httpx.AsyncClient) -> None:
    """No client can send it past a RequestModel, so the service must have made it."""
    problem(await client.post("/stored", json={"whole": "x"}), 500, "internal_error")
