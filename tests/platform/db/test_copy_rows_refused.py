"""`copy_rows` says which row is wrong, and the errors of the server are those of an insert."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from app.platform.db.bulk import copy_rows
from app.platform.db.errors import translate, violates
from app.platform.db.session import Database
from app.platform.errors import ValueRefused
from tests.platform.support.notes import COLUMNS, Note, Sub, count, create, note


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([note(colour=1)], "Note has no column 'colour'"),
        ([{"label": "a"}], "the default of Note.rank is SQL, which COPY cannot run"),
        ([note(), note(size=1)], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), {"label": "a", "size": 1}], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), ("a", 1)], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), note(5)], "row 2 of Note: a value has the wrong type for its column"),
        ([note(size=1.5)], "row 1 of Note: the value of 'size' has the wrong type"),
        ([note(size="1")], "row 1 of Note: the value of 'size' has the wrong type"),
        ([note(at=datetime(2030, 1, 1))], "row 1 of Note: the value of 'at' has the wrong type"),  # noqa: DTZ001
    ],
)
async def test_rows_that_do_not_fit_are_named(database: Database, rows: list[dict[str, Any]], message: str) -> None:
    await create(database)
    with pytest.raises(ValueError, match=message):
        async with database.transaction() as session:
            await copy_rows(session, Note, rows)


async def test_row_is_named_among_many(database: Database) -> None:
    await create(database)
    rows = [note(str(number), small=1) for number in range(1000)]
    rows[700] = note("x", small=70_000)
    with pytest.raises(ValueRefused, match="Row 701 of Note"):
        async with database.transaction() as session:
            await copy_rows(session, Note, rows)
    with pytest.raises(ValueError, match="row 701 of Note: the value of 'rank' has the wrong type"):
        async with database.transaction() as session:
            await copy_rows(session, Note, [(str(n), "1" if n == 700 else n) for n in range(1000)], columns=COLUMNS)


async def test_rows_without_names_and_models_of_several_tables_are_refused(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(TypeError, match="name their columns with `columns`"):
            await copy_rows(session, Note, [("a", 1)])
        with pytest.raises(ValueError, match="Sub inherits from another model"):
            await copy_rows(session, Sub, [note()])


@pytest.mark.parametrize(
    "more",
    [
        {"size": 2**31},
        {"size": -(2**31) - 1},
        {"small": 70_000},
        {"large": 2**63},
        {"size": 2**100},
        {"numbers": [1, 2**33]},
        {"exact": Decimal("1e131072")},
        {"exact": Decimal("1e-16384")},
    ],
)
async def test_numbers_too_large_for_their_column_are_refused(database: Database, more: dict[str, Any]) -> None:
    await create(database)
    (key,) = more
    fits = {key: [1] if key == "numbers" else 1}
    with pytest.raises(ValueRefused, match="Row 2 of Note"):
        async with database.transaction() as session:
            await copy_rows(session, Note, [note("a", **fits), note("b", **more)])


@pytest.mark.parametrize("label", ["longer than ten", "with\0"])
async def test_texts_that_the_server_refuses_are_the_same_error_as_in_an_insert(database: Database, label: str) -> None:
    await create(database)
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction() as session:
            await copy_rows(session, Note, [note(label)])
    assert isinstance(translate(refused.value), ValueRefused)


async def test_violated_constraint_has_its_name(database: Database) -> None:
    await create(database)
    with pytest.raises(IntegrityError) as violated:
        async with database.transaction() as session:
            await copy_rows(session, Note, [note(), note()])
    assert violates(violated.value, "uq_copied notes_The label")
    async with database.transaction() as session:
        assert await copy_rows(session, Note, [note()]) == 1


async def test_missing_table_is_the_error_of_every_statement(database: Database) -> None:
    with pytest.raises(ProgrammingError):
        async with database.transaction() as session:
            await copy_rows(session, Note, [note()])


async def test_failure_in_a_savepoint_leaves_the_transaction_usable(database: Database) -> None:
    await create(database)
    async with database.transaction() as session:
        await copy_rows(session, Note, [note("a")])
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await copy_rows(session, Note, [note("b"), note("a")])
        await copy_rows(session, Note, [note("c")])
        assert await count(session) == 2


async def test_failed_copy_cannot_be_committed_by_mistake(database: Database) -> None:
    await create(database)

    async def copy_and_go_on() -> None:
        async with database.transaction() as session:
            with suppress(IntegrityError):
                await copy_rows(session, Note, [note(), note()])

    with pytest.raises(Exception, match=r"nothing can be committed|transaction is aborted"):
        await copy_and_go_on()


async def test_error_of_the_rows_comes_out_as_it_was(database: Database) -> None:
    await create(database)

    def broken() -> Iterator[dict[str, Any]]:
        yield note("a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await copy_rows(session, Note, broken())
    async with database.transaction() as session:
        assert await count(session) == 0


async def test_session_that_only_reads_refuses(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(RuntimeError, match="only reads"):
            await copy_rows(session, Note, [note()])
