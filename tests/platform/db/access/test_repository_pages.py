"""Pages of a repository in other orders than newest first, and pages by offset."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.pagination import OffsetRequest, PageRequest
from app.platform.db.repository import AsyncRepository
from app.platform.db.session import Database
from app.platform.db.sorting import Sorting
from tests.platform.support.sortable import SORTABLE, Sortable, create_tables, expected, rows


class Rows(AsyncRepository[Sortable]):
    model = Sortable


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    await create_tables(database)
    async with database.transaction() as session:
        yield session


@pytest.fixture
async def stored(session: AsyncSession) -> Sequence[Sortable]:
    repository = Rows(session)
    await repository.add_all(rows())
    return await repository.list()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", SORTABLE)
async def test_sorted_pages_are_complete_without_overlap(
    session: AsyncSession, stored: Sequence[Sortable], name: str, descending: bool
) -> None:
    sorting = Sorting(getattr(Sortable, name), descending=descending)
    request = PageRequest(limit=2, sorting=sorting)
    seen: list[Any] = []
    for length in (2, 2, 1):
        page = await Rows(session).page(request)
        assert len(page.items) == length
        seen += [row.id for row in page.items]
        after = sorting.decode(page.next_cursor) if page.next_cursor else None
        request = PageRequest(limit=2, after=after, sorting=sorting)
    assert request.after is None
    assert seen == expected(stored, name, descending=descending)


@pytest.mark.parametrize("cursor", ["number.9999999999", "-amount.9" + "9" * 39, "-name.", "shade.AAAA", "day.0"])
async def test_cursor_beyond_the_range_of_its_column_is_a_position(
    session: AsyncSession, stored: Sequence[Sortable], cursor: str
) -> None:
    name, _, _ = cursor.partition(".")
    sorting = Sorting(getattr(Sortable, name.removeprefix("-")), descending=name.startswith("-"))
    page = await Rows(session).page(PageRequest(after=sorting.decode(f"{cursor}.{'0' * 32}"), sorting=sorting))
    assert len(page.items) in {0, len(stored)}


async def test_offset_pages_have_the_number_of_all_rows(session: AsyncSession, stored: Sequence[Sortable]) -> None:
    repository, sorted_ids = Rows(session), expected(stored, "number", descending=False)
    for offset in (0, 2, 4, 6):
        page = await repository.offset_page(OffsetRequest(offset, 2), order_by=[Sortable.number])
        assert [row.id for row in page.items] == sorted_ids[offset : offset + 2]
        assert page.total == len(stored)
    page = await repository.offset_page(OffsetRequest(), Sortable.number == 1)
    assert [row.id for row in page.items] == sorted_ids[3:]
    assert page.total == 2
