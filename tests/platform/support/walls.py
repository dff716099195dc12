"""Models beside those of the library: keys that the server makes, and related rows of any types."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.platform.db.mixins import UuidKey
from tests.platform.support.library import Base, Kind, ReadModel


class Poster(Base):
    __tablename__ = "posters"

    wall_id: Mapped[int] = mapped_column(ForeignKey("walls.id"), primary_key=True)
    title: Mapped[str] = mapped_column(primary_key=True)


class Wall(Base):
    """Its key is made by the server."""

    __tablename__ = "walls"

    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str]
    posters: Mapped[list[Poster]] = relationship(lazy="raise", order_by=Poster.title)


class Sticker(Base):
    __tablename__ = "stickers"

    box_id: Mapped[UUID] = mapped_column(ForeignKey("boxes.id"), primary_key=True)
    title: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[Kind]
    place: Mapped[dict[str, Any]]
    price: Mapped[Decimal]
    copies: Mapped[int] = mapped_column(default=2)
    # stores the name of a member
    mood: Mapped[Kind] = mapped_column(Enum(Kind, native_enum=False), default=Kind.SMALL)


class Box(UuidKey, Base):
    __tablename__ = "boxes"

    stickers: Mapped[list[Sticker]] = relationship(lazy="raise", order_by=Sticker.title)


class BookTitle(ReadModel):
    title: str


class WallRead(ReadModel):
    id: int
    posters: list[BookTitle]


class Mood(ReadModel):
    mood: Kind


class BoxWithMoods(ReadModel):
    stickers: list[Mood]


class BoxRead(ReadModel):
    id: UUID
    stickers: list[BookTitle]


class ShelfWithTitles(ReadModel):
    id: UUID
    label: str
    about: dict[str, Any]
    books: list[BookTitle]
