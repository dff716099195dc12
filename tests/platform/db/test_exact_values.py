"""Values are stored and compared as they are, with both drivers: neither rounded, cut off, nor of another type."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import CHAR, REAL, DateTime, Enum, MetaData, Numeric, String, Time, any_, func, literal, select
from sqlalchemy.dialects.postgresql import (
    ARRAY,
    BIT,
    DATERANGE,
    INT4RANGE,
    INT8MULTIRANGE,
    INT8RANGE,
    INTERVAL,
    NUMRANGE,
    TSRANGE,
    TSTZRANGE,
    TSVECTOR,
    BitString,
    Range,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import NAMING_CONVENTION, Base
from app.platform.db.bulk import copy_rows
from app.platform.db.driver import DRIVERNAME
from app.platform.db.errors import translate
from app.platform.db.filters import condition
from app.platform.db.mixins import UuidKey
from app.platform.db.session import Database
from app.platform.errors import ValueRefused

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
WALL = NOON.replace(tzinfo=None)
HOUR = timedelta(hours=1)
BEGINNING = datetime(1, 1, 1, tzinfo=timezone(HOUR))
MONEY = ARRAY(Numeric(12, 2))


class Exact(UuidKey, Base):
    __tablename__ = "exact"
    metadata = MetaData(naming_convention=NAMING_CONVENTION)

    cents: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    rate: Mapped[float | None] = mapped_column(Numeric(asdecimal=False))
    amounts: Mapped[list[Decimal] | None] = mapped_column(MONEY)
    codes: Mapped[list[str] | None] = mapped_column(ARRAY(String(3)))
    letters: Mapped[str | None] = mapped_column(CHAR(3))
    letter: Mapped[list[str] | None] = mapped_column(ARRAY(CHAR))
    bits: Mapped[Any | None] = mapped_column(BIT(3))
    lasts: Mapped[timedelta | None] = mapped_column(INTERVAL(precision=0))
    moment: Mapped[datetime | None] = mapped_column(DateTime())
    at: Mapped[datetime | None]
    ats: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    hour: Mapped[time | None] = mapped_column(Time(timezone=True))
    single: Mapped[float | None] = mapped_column(REAL)
    kind: Mapped[str | None] = mapped_column(Enum("new", "old", name="exact_kind"))
    found: Mapped[str | None] = mapped_column(TSVECTOR)
    local: Mapped[Range[datetime] | None] = mapped_column(TSRANGE)
    open: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    opened: Mapped[list[Range[datetime]] | None] = mapped_column(ARRAY(TSTZRANGE))
    small: Mapped[Range[int] | None] = mapped_column(INT4RANGE)
    large: Mapped[Range[int] | None] = mapped_column(INT8RANGE)
    days: Mapped[Range[date] | None] = mapped_column(DATERANGE)
    several: Mapped[list[Range[int]] | None] = mapped_column(INT8MULTIRANGE)
    prices: Mapped[Range[Decimal] | None] = mapped_column(NUMRANGE)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Exact.metadata.create_all)
        yield session


async def finds(session: AsyncSession, **wanted: Any) -> bool:
    conditions = [condition(Exact, name, value) for name, value in wanted.items()]
    return await session.scalar(select(func.count()).select_from(Exact).where(*conditions)) == 1


async def test_casts_change_no_value_that_is_compared(session: AsyncSession) -> None:
    values = {"cents": Decimal("10.12"), "amounts": [Decimal("10.12")], "codes": ["abc"], "lasts": HOUR, "bits": "101"}
    session.add(Exact(**values))
    await session.flush()
    others = {
        "cents": Decimal("10.1201"),
        "amounts": [Decimal("10.1201")],
        "codes": ["abcd"],
        "lasts": HOUR + timedelta(microseconds=1),
        "bits": "1011",
    }
    for name, value in values.items():
        assert await finds(session, **{name: value}), name
        assert not await finds(session, **{name: others[name]}), name
    for number, is_there in ((Decimal("10.12"), True), (Decimal("10.1201"), False), (Decimal("1e20"), False)):
        assert await finds(session, amounts__contains=[number]) == is_there
        query = select(Exact.cents).where(Exact.cents == any_(literal([Decimal(1), number], MONEY)))
        assert bool((await session.scalars(query)).all()) == is_there


@pytest.mark.parametrize(
    "values", [{"codes": ["abcd"]}, {"letters": "abcd"}, {"letter": ["ab"]}, {"bits": "1011"}, {"bits": "10"}]
)
async def test_what_is_too_long_is_refused(session: AsyncSession, values: dict[str, Any]) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with session.begin_nested():
            session.add(Exact(**values))
    assert isinstance(translate(refused.value), ValueRefused)


@pytest.mark.parametrize("moment", [datetime(9999, 12, 31, 23, tzinfo=timezone(-HOUR)), BEGINNING])
async def test_moments_that_cannot_be_read_are_refused(session: AsyncSession, moment: datetime) -> None:
    for values in ({"at": moment}, {"ats": [moment]}, {"open": Range(moment, None)}):
        with pytest.raises((DBAPIError, ValueRefused)) as refused:
            async with session.begin_nested():
                session.add(Exact(**values))
        error = refused.value
        assert isinstance(translate(error) if isinstance(error, DBAPIError) else error, ValueRefused)


async def test_float_is_the_number_that_python_shows(session: AsyncSession) -> None:
    session.add(Exact(rate=10.12, prices=Range(0.1, 10.12)))
    await session.flush()
    assert await session.scalar(select(Exact.rate == Decimal("10.12")))
    assert await session.scalar(select(func.upper(Exact.prices) == Decimal("10.12")))


class ZoneWithoutHash(tzinfo):
    """A time zone as those of dateutil."""

    __hash__ = None  # type: ignore[assignment]

    def utcoffset(self, moment: datetime | None) -> timedelta:  # noqa: ARG002
        return 9 * HOUR

    def dst(self, moment: datetime | None) -> timedelta:  # noqa: ARG002
        return timedelta()

    def tzname(self, moment: datetime | None) -> str:  # noqa: ARG002
        return "JST"


async def test_time_zones_need_no_hash(session: AsyncSession) -> None:
    there = NOON.astimezone(ZoneWithoutHash())
    session.add(row := Exact(at=there, ats=[there], open=Range(there, None)))
    await session.flush()
    await session.refresh(row)
    assert (row.at, row.ats, row.open) == (NOON, [NOON], Range(NOON, None))


async def test_moments_and_times_get_or_lose_the_zone_as_the_column_needs(session: AsyncSession) -> None:
    there = NOON.astimezone(timezone(9 * HOUR))
    zoneless = Range(WALL, WALL + HOUR)
    row = Exact(
        moment=there,
        hour=time(9),
        local=Range(there, there + HOUR),
        open=zoneless,
        opened=[zoneless, Range(None, WALL)],
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    assert (row.moment, row.hour, row.local) == (WALL, time(9, tzinfo=UTC), zoneless)
    assert (row.open, row.opened) == (Range(NOON, NOON + HOUR), [Range(NOON, NOON + HOUR), Range(None, NOON)])
    assert await finds(session, moment=NOON, hour=time(9), local=Range(NOON, NOON + HOUR), open=zoneless)


async def test_values_inside_of_ranges_are_found(session: AsyncSession) -> None:
    session.add(
        Exact(
            open=Range(NOON, NOON + HOUR),
            local=Range(WALL, WALL + HOUR),
            large=Range(1, 5),
            prices=Range(1, 5),
            days=Range(NOON.date(), None),
        )
    )
    await session.flush()
    for moment in (NOON, WALL):
        assert await finds(session, open__contains=moment, local__contains=moment)
    for number in (2, Decimal(2), 2.0):
        assert await finds(session, prices__contains=number)
    assert await finds(session, large__contains=2, open__contains=Range(NOON, NOON), days__contains=NOON.date())
    assert not await finds(session, large__contains=5)


async def test_copy_stores_what_an_insert_stores(session: AsyncSession) -> None:
    values = {
        "letters": "a",
        "letter": ["a", None],
        "bits": BitString("101"),
        "kind": "old",
        "several": [Range(1, 5), Range(7, 2**40)],
        "open": Range(WALL, WALL + HOUR),
        "single": 0.5,
    }
    assert await copy_rows(session, Exact, [values]) == 1
    session.add(Exact(**values))
    await session.flush()
    first, second = (await session.execute(select(*(getattr(Exact, name) for name in values)))).all()
    assert first == second


@pytest.mark.parametrize(
    "values",
    [
        {"small": Range(1, 2**40)},
        {"large": Range(1, 2**64 + 5)},
        {"several": [Range(1, 2**64 + 5)]},
        {"prices": Range(1, Decimal("1e140000"))},
        {"single": 1e300},
    ],
)
async def test_copy_refuses_numbers_that_are_too_large(session: AsyncSession, values: dict[str, Any]) -> None:
    with pytest.raises(ValueRefused, match="Row 1 of Exact"):
        async with session.begin_nested():
            await copy_rows(session, Exact, [values])


async def test_copy_of_a_type_that_the_driver_does_not_know(session: AsyncSession) -> None:
    if "asyncpg" in DRIVERNAME:
        with pytest.raises(ValueError, match=r"asyncpg cannot COPY into exact, .* type tsvector .* use insert_rows"):
            async with session.begin_nested():
                await copy_rows(session, Exact, [{"found": "'a'"}])
    else:
        assert await copy_rows(session, Exact, [{"found": "'a'"}]) == 1
