"""A library of shelves and books: models with columns of all kinds, their read models, and some rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, ForeignKey, Numeric, String, Table, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.platform.db.base import Base as AppBase
from app.platform.db.mixins import SoftDelete, Timestamps, UuidKey
from app.platform.db.session import Database
from tests.support.databases import settings_for


class Base(DeclarativeBase):
    type_annotation_map = AppBase.type_annotation_map


class Kind(StrEnum):
    LARGE = "large"
    SMALL = "small"


tags = Table(
    "shelf_tags",
    Base.metadata,
    Column("shelf_id", ForeignKey("shelves.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.name"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)


class Book(UuidKey, Base):
    __tablename__ = "books"

    shelf_id: Mapped[UUID | None] = mapped_column(ForeignKey("shelves.id"))
    title: Mapped[str] = mapped_column(String(80))
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    published: Mapped[date]
    shelf: Mapped["Shelf | None"] = relationship(lazy="raise", back_populates="books")


class Shelf(UuidKey, Timestamps, SoftDelete, Base):
    __tablename__ = "shelves"

    label: Mapped[str] = mapped_column("its_label", String(40))
    kind: Mapped[Kind]
    about: Mapped[dict[str, Any] | None]
    books: Mapped[list[Book]] = relationship(lazy="raise", order_by=Book.title, back_populates="shelf")
    tags: Mapped[list[Tag]] = relationship(lazy="raise", secondary=tags, order_by=Tag.name)


class ReadModel(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class TagRead(ReadModel):
    name: str


class ShelfLabel(ReadModel):
    id: UUID
    label: str


class BookRead(ReadModel):
    title: str
    price: Decimal
    published: date


class BookOnShelf(BookRead):
    shelf: ShelfLabel | None


class ShelfRead(ReadModel):
    id: UUID
    label: str
    kind: Kind
    about: dict[str, Any] | None
    books: list[BookRead]


class ShelfWithAll(ShelfRead):
    tags: list[TagRead]


@asynccontextmanager
async def library(url: str, **settings: Any) -> AsyncIterator[Database]:
    """Yield a database with two shelves, and a deleted one; the larger one has two books and two tags."""
    database = Database(settings_for(url, **settings))
    await database.init()
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    old = Tag(name="old")
    large = Shelf(label="A", kind=Kind.LARGE, about={"rows": [1, 2]}, tags=[Tag(name="new"), old])
    large.books = [
        Book(title="Zebras", price=Decimal("10.50"), published=date(1999, 12, 31)),
        Book(title="Ants", price=Decimal("0.10"), published=date(2024, 2, 29)),
    ]
    async with database.transaction() as session:
        session.add_all([large, Shelf(label="B", kind=Kind.SMALL, tags=[old])])
        session.add(Shelf(label="C", kind=Kind.SMALL, deleted_at=func.now()))
        session.add(Book(title="Lost", price=Decimal(1), published=date(2000, 1, 1)))
    yield database
    await database.close()
