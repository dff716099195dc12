"""What comes from Redis is what was loaded, whatever its type; mistakes show themselves before that."""

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from app.platform.cache import caches
from app.platform.cache.caches import Caches
from app.platform.cache.settings import CacheSettings
from app.platform.db.afterwards import after_transaction
from app.platform.db.session import Database
from tests.platform.cache.conftest import Price, Source, Start, counted


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    unit_price: Decimal | None
    colours: set[Colour] = Field(default_factory=set)


class Thing(BaseModel):
    model_config = ConfigDict(strict=True)

    key: UUID
    when: datetime
    day: date
    at: time
    took: timedelta
    parts: tuple[Part, ...]
    by_day: dict[date, list[float]]
    renamed: int = Field(validation_alias="inName", serialization_alias="outName")
    nothing: None = None


class Hidden(BaseModel):
    shown: int
    hidden: str = Field(default="", exclude=True)


class Secret(BaseModel):
    secret: SecretStr


class Number(BaseModel):
    number: float | None


class Dearer(Price):
    tax: int = 1


THING = Thing(
    key=UUID(int=7),
    when=datetime(2026, 11, 30, 1, 2, 3, 4, tzinfo=UTC),
    day=date(2026, 11, 30),
    at=time(1, 2),
    took=timedelta(seconds=1, microseconds=5),
    parts=(Part(unitPrice=Decimal("1.10"), colours={Colour.RED, Colour.BLUE}), Part(unitPrice=None)),
    by_day={date(2026, 1, 1): [0.1, -0.0], date(2026, 1, 2): []},
    inName=1,
)
KEPT: list[tuple[Any, Any]] = [
    (Thing, THING),
    (list[Part], list(THING.parts)),
    (Part | None, None),
    (list[Part], []),
    (dict[str, Any], {"one": [1, "two", None]}),
    (str, "\N{SNOWMAN}" * 100_000),
]
# what Redis would give back differs, and nobody would see it
LOST: list[tuple[Any, Any]] = [
    (Hidden, Hidden(shown=1, hidden="not in JSON")),
    (Secret, Secret(secret=SecretStr("hunter2"))),
    (Number, Number(number=math.inf)),
    (Price, Dearer(cents=1)),
    (Price, {"cents": 1}),
    (Price, None),
    (dict[str, Any], {"id": uuid4()}),
    (dict[str, Any], {"pair": (1, 2)}),
    (bytes, b"\xff"),
]


def returning(value: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        return value

    return load


@pytest.mark.parametrize(("model", "value"), KEPT)
async def test_value_is_found_as_it_was_loaded(start: Start, model: Any, value: Any) -> None:
    process = start()
    process.name = uuid4().hex
    cache = process.caches.shared(process.name, model)
    for _ in range(2):
        found = await cache.get(load=returning(value))
        assert (found, type(found)) == (value, type(value))
    assert counted(process) == {"miss": 1, "hit": 1}


@pytest.mark.parametrize(("model", "value"), LOST)
async def test_value_that_would_be_another_one_is_not_stored(start: Start, model: Any, value: Any) -> None:
    process = start()
    process.name = uuid4().hex
    cache = process.caches.shared(process.name, model)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert await cache.get(load=returning(value)) is value
    assert counted(process) == {"miss": 2}
    assert [each["event"] for each in logs] == ["cache_value_not_json"]
    assert "hunter2" not in str(logs)


def test_model_that_cannot_be_json_is_refused_where_it_is_named() -> None:
    off = Caches(CacheSettings.model_construct(), None, "shop", 1.0)
    models: list[Any] = [Source, Callable[[], int]]
    for model in models:
        with pytest.raises(TypeError, match="the cache 'things' cannot keep values"):
            off.shared("things", model)
    for ttl in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="has to be above 0"):
            off.shared("things", int, ttl=ttl)


def test_number_of_caches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_CACHES", 2)
    off = Caches(CacheSettings.model_construct(), None, "shop", 1.0)
    for number in (1, 2, 1):
        off.shared(f"of user {number}", int)
    with pytest.raises(ValueError, match="belongs into the keys"):
        off.shared("of user 3", int)


async def test_wrong_key_is_refused_also_while_the_cache_is_off(source: Source, database: Database) -> None:
    prices = Caches(CacheSettings.model_construct(), None, "shop", 1.0).shared("prices", Price)
    wrong: Any = ["tea"]
    with pytest.raises(TypeError, match="a part of type list"):
        await prices.get(wrong, load=source.load)
    with pytest.raises(TypeError, match="a part of type list"):
        await prices.invalidate(wrong)
    done = []
    # before anything is committed
    with pytest.raises(TypeError, match="a part of type list"):
        async with prices.invalidating(wrong):
            done.append("block")
    with pytest.raises(TypeError, match="a part of type list"):
        async with database.transaction() as session:
            prices.invalidate_after(session, wrong)
            done.append("transaction")
    assert (done, source.reads) == ([], 0)


@pytest.mark.commits
async def test_block_inside_of_a_transaction_would_invalidate_too_early(start: Start, database: Database) -> None:
    prices = start().prices
    async with database.transaction():
        with pytest.raises(RuntimeError, match="use `invalidate_after`"):
            async with prices.invalidating("tea"):
                pass


@pytest.mark.commits
async def test_work_that_fails_keeps_no_other_from_being_done(start: Start, source: Source, database: Database) -> None:
    process = start()
    await process.read(source)

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        async with database.transaction() as session:
            after_transaction(session, fail)
            process.prices.invalidate_after(session, "tea")
            source.cents = 2
    assert await process.read(source) == 2
