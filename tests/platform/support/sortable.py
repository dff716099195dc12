"""Two tables: columns that pages can be sorted by, one of each kind, and columns that are refused."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

from sqlalchemy import DateTime, MetaData, Numeric, String
from sqlalchemy import Enum as EnumType
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.mixins import UuidKey
from app.platform.db.session import SessionProvider


class Shade(StrEnum):
    """The values of the enum."""

    DARK = "dark"
    LIGHT = "light"


class Level(Enum):
    """An enum whose members are no text, and whose names are in another order than their values."""

    A = "low"
    B = "high"


class Tone(str, Enum):  # noqa: UP042 - its `str` is what a StrEnum does not have
    """An enum whose members are text, but not as `str` shows them."""

    A = "warm"
    B = "cold"


class _Scratch(UuidKey, Base):
    # metadata of its own, so migrations ignore it
    __abstract__ = True
    metadata = MetaData()


class Sortable(_Scratch):
    """Its columns can be sorted by."""

    __tablename__ = "sortable"

    name: Mapped[str] = mapped_column(String(500))
    shade: Mapped[Shade]
    level: Mapped[Level]
    tone: Mapped[Tone]
    number: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    exact: Mapped[Decimal]
    day: Mapped[date]
    moment: Mapped[datetime]


class Unsortable(_Scratch):
    """Its columns cannot."""

    __tablename__ = "unsortable"

    maybe: Mapped[int | None]
    long: Mapped[str]
    flag: Mapped[bool]
    native: Mapped[Shade] = mapped_column(EnumType(Shade))
    naive: Mapped[datetime] = mapped_column(DateTime())


SORTABLE = tuple(column.key for column in Sortable.__table__.columns if column.key != "id")


def rows() -> Sequence[Sortable]:
    """Return five rows, of which each two or three are equal in each column."""
    return [
        Sortable(
            name=f"row {number // 2}",
            shade=list(Shade)[number % 2],
            level=list(Level)[number % 2],
            tone=list(Tone)[number % 2],
            number=number // 3,
            amount=Decimal(number // 2) / 4,
            exact=Decimal(f"{number // 2}e-60"),
            day=date(2030, 1, 1 + number // 2),
            moment=datetime(1969, 12, 31, tzinfo=UTC) + timedelta(microseconds=number // 2),
        )
        for number in range(5)
    ]


async def create_tables(database: SessionProvider) -> None:
    """Create the tables; the rollback at the end of the test removes them."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(_Scratch.metadata.create_all)


def expected(stored: Sequence[Sortable], name: str, *, descending: bool) -> list[Any]:
    """Return the ids of the rows in the expected order."""

    def value(row: Sortable) -> Any:
        found = getattr(row, name)
        return found.value if isinstance(found, Enum) else found

    found = sorted(stored, key=lambda row: (value(row), row.id), reverse=descending)
    return [row.id for row in found]
