"""The translation of database errors by the class of their SQLSTATE, and what exceptions show."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError

from app.platform.db.errors import translate, violates
from app.platform.db.session import Database
from app.platform.errors import AppError, DatabaseUnavailable, IntegrityConflict

RAISE = "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END$$"


# test_error_table.py has the errors that a server really says
@pytest.mark.commits
@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("23001", IntegrityConflict),
        ("53000", DatabaseUnavailable),
        ("57P02", DatabaseUnavailable),
        ("58P01", DatabaseUnavailable),
        ("22012", None),
        ("25P02", None),
        ("42601", None),
        ("XX000", None),
    ],
)
async def test_class_of_the_sqlstate_counts(database: Database, sqlstate: str, kind: type[AppError] | None) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with database.transaction() as session:
            await session.execute(text(RAISE.format(sqlstate)))
    translated = translate(raised.value)
    assert type(translated) is (kind or type(None))


def test_wrong_use_of_sqlalchemy_is_a_bug() -> None:
    assert translate(InvalidRequestError("x")) is None


async def test_violated_constraint_is_found_by_name(database: Database) -> None:
    insert = text(
        "INSERT INTO users (id, email, password_hash, is_active, is_admin) "
        "VALUES (gen_random_uuid(), 'a', 'x', true, false)"
    )
    with pytest.raises(IntegrityError) as raised:
        async with database.transaction() as session:
            await session.execute(insert)
            await session.execute(insert)
    assert violates(raised.value, "uq_users_email")
    assert not violates(raised.value, "uq_other")


async def test_violation_without_a_constraint_has_no_name(database: Database) -> None:
    with pytest.raises(IntegrityError) as raised:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO users (id) VALUES (gen_random_uuid())"))
    assert not violates(raised.value, "uq_users_email")


async def test_exception_never_contains_values(database: Database) -> None:
    with pytest.raises(IntegrityError) as raised:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO users (id, email) VALUES (gen_random_uuid(), :e)"), {"e": "x@y.z"})
    assert "[SQL parameters hidden" in str(raised.value)
