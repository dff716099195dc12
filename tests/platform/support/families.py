"""Two tables that only the tests have: the service's own code may have no relationship to show."""

from uuid import UUID

from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.platform.db.base import Base
from app.platform.db.mixins import Timestamps, UuidKey
from app.platform.db.session import SessionProvider


class Scratch(Base):
    """Models that are no part of the service's schema, so that migrations know nothing of them."""

    __abstract__ = True
    metadata = MetaData()


class ScratchParent(UuidKey, Timestamps, Scratch):
    """Somebody with children."""

    __tablename__ = "scratch_parents"

    name: Mapped[str]
    children: Mapped[list["ScratchChild"]] = relationship(
        lazy="raise", order_by="ScratchChild.position", cascade="all, delete-orphan"
    )


class ScratchChild(Scratch):
    """One of them."""

    __tablename__ = "scratch_children"

    parent_id: Mapped[UUID] = mapped_column(ForeignKey("scratch_parents.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)


async def create_tables(database: SessionProvider) -> None:
    """Create both; the test's savepoint takes them back."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Scratch.metadata.create_all)


def parent(name: str, children: int = 2) -> ScratchParent:
    """A parent with children, the last one first."""
    return ScratchParent(name=name, children=[ScratchChild(position=number) for number in range(children, 0, -1)])
