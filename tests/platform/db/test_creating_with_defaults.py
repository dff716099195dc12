"""Defaults that Python makes, in a create of one statement: as in any other INSERT, and once."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from app.platform.context import Actor, actor
from app.platform.db.creating import create_alone
from app.platform.db.mixins import Audit, UuidKey
from app.platform.db.session import Database
from app.platform.settings import PoolProfile
from tests.platform.support.library import Base, ReadModel
from tests.platform.support.library import library as filled
from tests.support.databases import settings_for

numbers: list[int] = []


def count_up() -> int:
    numbers.append(len(numbers) + 1)
    return numbers[-1]


def shout(context: Any) -> str:
    return str(context.get_current_parameters(isolate_multiinsert_groups=True)["text"].upper())


def copies_of(context: Any) -> int:
    # the default of that column is made after this one
    return 3 if context.get_current_parameters()["shop"] is None else 0


class Sticker(Base):
    __tablename__ = "sign_stickers"

    sign_id: Mapped[UUID] = mapped_column(ForeignKey("signs.id"), primary_key=True)
    title: Mapped[str] = mapped_column(primary_key=True)


class Sign(UuidKey, Audit, Base):
    __tablename__ = "signs"

    number: Mapped[int] = mapped_column(default=count_up)
    text: Mapped[str]
    loud: Mapped[str] = mapped_column(default=shout)
    copies: Mapped[int] = mapped_column(default=copies_of)
    shop: Mapped[str] = mapped_column(default="ours")
    # has the name of the table that `how_many` reads
    sign_stickers: Mapped[list[Sticker]] = relationship(lazy="raise")
    how_many: Mapped[int] = column_property(select(func.count(Sticker.title)).scalar_subquery())


class SignRead(ReadModel):
    text: str
    loud: str
    copies: int
    shop: str
    created_by: UUID | None


class StickerRead(ReadModel):
    title: str


class SignWithStickers(ReadModel):
    number: int
    how_many: int
    sign_stickers: list[StickerRead]


@pytest.fixture
async def library(empty_url: str) -> AsyncIterator[Database]:
    async with filled(empty_url, pool_size=1, max_overflow=0) as database:
        yield database


async def test_defaults_and_audit_columns_apply(library: Database) -> None:
    caller = Actor(uuid4())
    token = actor.set(caller)
    created = await create_alone(library, Sign, SignRead, {"text": "quiet"})
    actor.reset(token)
    assert created == SignRead(text="quiet", loud="QUIET", copies=3, shop="ours", created_by=caller.user_id)


@pytest.mark.parametrize("related", [0, 2, 17])
async def test_default_is_made_once_however_many_statements_it_takes(library: Database, related: int) -> None:
    numbers.clear()
    stickers = [{"title": str(number)} for number in range(related)]
    created = await create_alone(library, Sign, SignWithStickers, {"text": "x"}, sign_stickers=stickers)
    assert created.number == 1
    assert numbers == [1]
    assert len(created.sign_stickers) == related


async def test_column_that_reads_a_table_sees_that_table(library: Database) -> None:
    counts = [
        (await create_alone(library, Sign, SignWithStickers, {"text": "x"}, sign_stickers=[{"title": "x"}])).how_many
        for _ in range(3)
    ]
    # a statement does not see the rows that it inserts itself
    assert counts == [0, 1, 2]


@pytest.mark.usefixtures("library")
async def test_without_a_pool_it_is_stored_as_well(empty_url: str) -> None:
    database = Database(settings_for(empty_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    created = await create_alone(database, Sign, SignRead, {"text": "kept"})
    async with database.read() as session:
        stored = await session.scalars(select(Sign.text))
    assert stored.all() == [created.text]
    await database.close()
