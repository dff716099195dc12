"""JSON of columns: every value comes back as it was, or is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import JSON, MetaData, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.json_values import dumps, loads
from app.platform.db.mixins import UuidKey
from app.platform.db.session import Database

KEY = UUID("6c84fb90-12c4-11e1-840d-7b25c5ee775a")


class Document(UuidKey, Base):
    __tablename__ = "json_documents"
    metadata = MetaData()

    data: Mapped[dict[str, Any]]
    plain: Mapped[Any] = mapped_column(JSON)


VALUES: list[Any] = [
    {"ü": "\N{SNOWMAN}", "nothing": None, "all": [1, -1.5, True, "a\nb", {}, []]},
    2**64,
    -(2**70),
    [2**63, 0.1],
    {"nested": json.loads("[" * 300 + "]" * 300)},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_come_back(value: Any) -> None:
    assert json.loads(dumps(value)) == value
    assert loads(dumps(value)) == loads(dumps(value).encode()) == value


def test_values_that_json_has_no_type_for() -> None:
    assert loads(dumps({"at": datetime(2030, 1, 31, tzinfo=UTC), "key": KEY})) == {
        "at": "2030-01-31T00:00:00+00:00",
        "key": str(KEY),
    }
    assert loads(dumps({1: "a", None: 2})) == {"1": "a", "null": 2}
    with pytest.raises(TypeError):
        dumps({"price": Decimal("1.50")})


NAN = float("nan")


@pytest.mark.parametrize("value", [NAN, [None, float("inf")], {"a": {"b": (NAN,)}}, {1: NAN}])
def test_nan_is_refused_and_does_not_become_null(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(value)


@pytest.mark.parametrize("value", VALUES[:4], ids=str)
async def test_columns_and_the_driver_itself_read_the_same(database: Database, value: Any) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(Document.metadata.create_all)
        document = Document(data={"value": value}, plain=value)
        session.add(document)
        await session.flush()
        await session.refresh(document)
        assert (document.data, document.plain) == ({"value": value}, value)
        read = (await session.execute(text("SELECT data, plain FROM json_documents"))).one()
        assert tuple(read) == ({"value": value}, value)
        # SQLAlchemy wraps the error where it calls the function itself
        with pytest.raises((StatementError, ValueError), match="not JSON compliant"):
            async with session.begin_nested():
                session.add(Document(data={"value": float("nan")}, plain=1))
                await session.flush()
