"""A table to copy rows into."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, MetaData, SmallInteger, String, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import NAMING_CONVENTION, Base
from app.platform.db.mixins import Audit, SoftDelete, Timestamps, UuidKey
from app.platform.db.session import Database
from tests.platform.db.test_columns import Own as Columns


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Note(UuidKey, Timestamps, SoftDelete, Audit, Own):
    __tablename__ = "copied notes"

    label: Mapped[str] = mapped_column("The label", String(10), unique=True)
    size: Mapped[int] = mapped_column(default=7)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    large: Mapped[int | None] = mapped_column(BigInteger)
    numbers: Mapped[list[int] | None]
    exact: Mapped[Decimal | None]
    at: Mapped[datetime | None]
    rank: Mapped[int | None] = mapped_column(default=func.random())


class Sub(Note):
    """Inherits from a model."""


COLUMNS = ("label", "rank")


async def create(database: Database) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(Own.metadata.create_all)
        await connection.run_sync(Columns.metadata.create_all)


def note(label: object = "a", **more: object) -> dict[str, Any]:
    return {"label": label, "rank": 1, **more}


async def count(session: AsyncSession) -> int:
    return (await session.scalars(select(func.count()).select_from(Note))).one()
