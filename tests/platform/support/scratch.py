"""Two related tables for tests: the service's own models may have no relationship."""

from uuid import UUID

from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.platform.db.base import Base
from app.platform.db.mixins import Timestamps, UuidKey
from app.platform.db.session import SessionProvider


class Scratch(Base):
    """The base class of test models. They have metadata of their own, so migrations ignore them."""

    __abstract__ = True
    metadata = MetaData()


class ScratchParent(UuidKey, Timestamps, Scratch):
    """The "one" side of the relationship."""

    __tablename__ = "scratch_parents"

    name: Mapped[str]
    children: Mapped[list["ScratchChild"]] = relationship(
        lazy="raise", order_by="ScratchChild.position", cascade="all, delete-orphan"
    )


class ScratchChild(Scratch):
    """The "many" side of the relationship."""

    __tablename__ = "scratch_children"

    parent_id: Mapped[UUID] = mapped_column(ForeignKey("scratch_parents.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)


async def create_tables(database: SessionProvider) -> None:
    """Create both tables; the rollback at the end of the test removes them."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Scratch.metadata.create_all)


def parent(name: str, children: int = 2) -> ScratchParent:
    """Return a parent with children in descending positions."""
    return ScratchParent(name=name, children=[ScratchChild(position=number) for number in range(children, 0, -1)])
