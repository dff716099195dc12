"""A column means what its annotation says, with every driver and on a server of any time zone."""

import enum
import time as clock
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    MetaData,
    Numeric,
    Table,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import DataError, IntegrityError, InvalidRequestError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from app.platform.db.base import NAMING_CONVENTION, Base
from app.platform.db.filters import condition
from app.platform.db.mixins import UuidKey
from app.platform.db.session import Database
from app.platform.errors import ValueRefused
from app.platform.settings import PoolProfile
from tests.support.databases import execute, settings_for


class Level(enum.StrEnum):
    LOW = "low"
    VERY_HIGH = "very high"


class Grade(enum.IntEnum):
    FIRST = 1
    SECOND = 2


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Thing(UuidKey, Own):
    __tablename__ = "things"

    level: Mapped[Level]
    before: Mapped[Level | None]
    grade: Mapped[Grade]
    side: Mapped[Literal["left", "right"]]
    moment: Mapped[datetime]
    day: Mapped[date]
    hour: Mapped[time]
    span: Mapped[timedelta]
    price: Mapped[Decimal]
    cents: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(1))
    prices: Mapped[Range[Decimal] | None] = mapped_column(postgresql.NUMRANGE)
    open: Mapped[Range[datetime] | None] = mapped_column(postgresql.TSTZRANGE)
    opens: Mapped[list[Range[datetime]] | None] = mapped_column(postgresql.TSTZMULTIRANGE)
    data: Mapped[dict[str, Any]]
    words: Mapped[list[str]]
    numbers: Mapped[list[int]]
    keys: Mapped[list[UUID] | None]
    raw: Mapped[bytes]
    name: Mapped[str] = mapped_column(default="")


def values() -> dict[str, Any]:
    return {
        "level": Level.VERY_HIGH,
        "before": None,
        "grade": Grade.SECOND,
        "side": "left",
        "moment": datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9))),
        "day": date(2026, 2, 28),
        "hour": time(23, 59, 59, 999999),
        "span": timedelta(days=-1, microseconds=1),
        "price": Decimal("12345678901234567890.123456789"),
        "data": {"a": [1, {"b": None}], "ü": "\N{SNOWMAN}"},
        "words": ["a,b", '"', "NULL"],
        "numbers": [-1, 0],
        "keys": [uuid4()],
        "raw": b"\x00\xff",
    }


@pytest.fixture(params=[PoolProfile.SMALL, PoolProfile.EXTERNAL_POOLER])
async def berlin(request: pytest.FixtureRequest, empty_url: str) -> AsyncIterator[Database]:
    """Yield a database with the table, whose sessions begin in another time zone."""
    name = make_url(empty_url).database
    await execute(empty_url, f"ALTER DATABASE {name} SET timezone TO 'Europe/Berlin'")
    database = Database(settings_for(empty_url, pool_profile=request.param))
    await database.init()
    async with database.engine.begin() as connection:
        await connection.run_sync(Own.metadata.create_all)
    yield database
    await database.close()


async def stored(database: Database, **changed: Any) -> UUID:
    async with database.transaction() as session:
        thing = Thing(**values() | changed)
        session.add(thing)
        await session.flush()
        return thing.id


async def loaded(database: Database, key: UUID) -> Thing:
    async with database.read() as session:
        return (await session.scalars(select(Thing).where(Thing.id == key))).one()


async def test_every_value_comes_back(berlin: Database) -> None:
    given = values()
    thing = await loaded(berlin, await stored(berlin, **given))
    found = {name: getattr(thing, name) for name in given}
    assert found == given
    assert {name: type(value) for name, value in found.items() if name in {"level", "grade", "price"}} == {
        "level": Level,
        "grade": Grade,
        "price": Decimal,
    }


async def test_number_is_compared_as_it_is(berlin: Database) -> None:
    """The server would round it to the two places of the column."""
    await stored(berlin, cents=Decimal("10.12"))
    async with berlin.read() as session:
        for number in (Decimal("10.1201"), Decimal("1e20")):
            assert await session.scalar(select(Thing.cents).where(Thing.cents == number)) is None
            assert await session.scalar(select(Thing.cents).where(Thing.cents < number)) == Decimal("10.12")


@pytest.mark.parametrize("number", [Decimal("9" * 131_072), Decimal("-0." + "9" * 16_383)])
async def test_largest_numbers_come_back(berlin: Database, number: Decimal) -> None:
    assert (await loaded(berlin, await stored(berlin, price=number))).price == number


async def test_parts_of_arrays_and_json_are_found(berlin: Database) -> None:
    key = await stored(berlin, prices=Range(Decimal(1), Decimal(3)))
    parts: list[tuple[str, object, object]] = [
        ("words__contains", ["NULL", "a,b"], ["a"]),
        ("numbers__contains", [0], [0, 1]),
        ("data__contains", {"a": [1]}, {"a": [2]}),
        ("prices__contains", Decimal(2), Decimal(3)),
        ("name__contains", "", "%"),
    ]
    async with berlin.read() as session:
        for name, part, other in parts:
            query = select(Thing.id).where(condition(Thing, name, part))
            assert (await session.scalars(query)).all() == [key]
            assert (await session.scalars(select(Thing.id).where(condition(Thing, name, other)))).all() == []


@pytest.mark.parametrize("part", [5, literal("%"), ["%"], None])
@pytest.mark.parametrize("name", ["name__contains", "price__contains", "name__starts_with"])
def test_only_texts_are_parts_of_texts(name: str, part: object) -> None:
    """Anything else would not be escaped."""
    with pytest.raises(TypeError):
        condition(Thing, name, part)


async def test_moment_without_a_time_zone_is_in_utc(berlin: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the server's time zone nor in that of the process."""
    noon = datetime(2026, 7, 1, 12)  # noqa: DTZ001
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/St_Johns")
        clock.tzset()
        key = await stored(berlin, moment=noon)
        async with berlin.read() as session:
            assert await session.scalar(select(Thing.id).where(Thing.moment == noon)) == key
    clock.tzset()
    assert (await loaded(berlin, key)).moment == noon.replace(tzinfo=UTC)


async def test_ends_of_ranges_are_stored_as_they_are(berlin: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a time zone they are in UTC, not in the time zone of the process."""
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    lunch = Range(noon, noon + timedelta(hours=1))
    naive = Range(noon.replace(tzinfo=None), noon.replace(tzinfo=None) + timedelta(hours=1))
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/St_Johns")
        clock.tzset()
        keys = [await stored(berlin, open=lunch, opens=[lunch])]
        keys.append(await stored(berlin, open=naive, opens=[naive]))
    clock.tzset()
    for key in keys:
        thing = await loaded(berlin, key)
        assert (thing.open, thing.opens) == (lunch, [lunch])
    with pytest.raises((ValueRefused, DataError)):
        await stored(berlin, prices=Range(Decimal(0), Decimal("1e140000")))


async def test_times_are_in_utc(berlin: Database) -> None:
    thing = await loaded(berlin, await stored(berlin))
    assert thing.moment.isoformat() == "2026-03-29T03:00:00.123456+00:00"
    async with berlin.read() as session:
        now = await session.scalar(text("SELECT CAST('2026-01-01 00:00' AS timestamptz)"))
    assert now == datetime(2026, 1, 1, tzinfo=UTC)
    assert now.utcoffset() == timedelta()


async def test_a_rollback_keeps_the_time_zone(berlin: Database) -> None:
    async with berlin.get_session() as session:
        assert await session.scalar(text("SHOW timezone")) == "UTC"
        await session.rollback()
        assert await session.scalar(text("SHOW timezone")) == "UTC"


async def test_values_that_are_no_members_are_refused(berlin: Database) -> None:
    insert = text("UPDATE things SET level = 'none'")
    await stored(berlin)
    with pytest.raises(IntegrityError, match="ck_things_level"):
        async with berlin.transaction() as session:
            await session.execute(insert)


async def test_a_check_for_each_column_of_an_enum(berlin: Database) -> None:
    async with berlin.read() as session:
        names = await session.scalars(text("SELECT conname FROM pg_constraint WHERE contype = 'c'"))
        assert {"ck_things_level", "ck_things_before", "ck_things_grade", "ck_things_side"} <= set(names)


async def test_changes_inside_of_json_and_lists_are_saved(berlin: Database) -> None:
    key = await stored(berlin)
    async with berlin.transaction() as session:
        thing = await session.get_one(Thing, key)
        thing.data["new"] = True
        thing.words.append("more")
    thing = await loaded(berlin, key)
    assert thing.data["new"] is True
    assert thing.words[-1] == "more"


def test_a_check_without_a_name_is_refused() -> None:
    total, level = Column("total", Integer), Column("level", Base.registry.type_annotation_map[enum.Enum])
    tables: list[list[SchemaItem]] = [
        [Column("total", Integer), CheckConstraint("total > 0")],
        [Column("total", Integer, CheckConstraint("total > 0"))],
        [total, CheckConstraint(total > 0)],
        [level, CheckConstraint(level > "total")],
    ]
    for items in tables:
        with pytest.raises(InvalidRequestError, match=r"a CHECK of things has no name: .* > .*total"):
            Table("things", MetaData(naming_convention=NAMING_CONVENTION), *items)


def test_the_check_of_a_boolean_is_named_as_its_column() -> None:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    table = Table("things", metadata, Column("flag", Boolean(create_constraint=True)))
    (check,) = (each for each in table.constraints if isinstance(each, CheckConstraint))
    quote = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
    assert quote.format_constraint(check) == "ck_things_flag"
