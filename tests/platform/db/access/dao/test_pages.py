"""Pages of a query in other orders than newest first, and pages by offset."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.platform.db.dao.base import BaseDAO
from app.platform.db.pagination import OffsetRequest, PageRequest
from app.platform.db.session import Database
from app.platform.db.sorting import Sorting
from tests.platform.support.sortable import SORTABLE, Sortable, create_tables, expected, rows


class Rows(BaseDAO[Sortable]):
    model = Sortable


@pytest.fixture
async def dao(database: Database) -> Rows:
    await create_tables(database)
    return Rows(database)


@pytest.fixture
async def stored(dao: Rows) -> Sequence[Sortable]:
    return await dao.insert_instances(rows())


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", SORTABLE)
async def test_sorted_pages_are_complete_without_overlap(
    dao: Rows, stored: Sequence[Sortable], name: str, descending: bool
) -> None:
    sorting = Sorting(getattr(Sortable, name), descending=descending)
    request = PageRequest(limit=2, sorting=sorting)
    seen: list[Any] = []
    for length in (2, 2, 1):
        page = await dao.querier.page(request)
        assert len(page.items) == length
        seen += [row.id for row in page.items]
        after = sorting.decode(page.next_cursor) if page.next_cursor else None
        request = PageRequest(limit=2, after=after, sorting=sorting)
    assert request.after is None
    assert seen == expected(stored, name, descending=descending)


async def test_offset_pages_have_the_number_of_all_rows(dao: Rows, stored: Sequence[Sortable]) -> None:
    query, sorted_ids = dao.querier.order_by(Sortable.number), expected(stored, "number", descending=False)
    for offset in (0, 2, 4, 6):
        page = await query.offset_page(OffsetRequest(offset, 2))
        assert [row.id for row in page.items] == sorted_ids[offset : offset + 2]
        assert page.total == len(stored)
    page = await query.filter(number=1).offset_page(OffsetRequest())
    assert [row.id for row in page.items] == sorted_ids[3:]
    assert page.total == 2


async def test_offset_page_refuses_limit_and_offset(dao: Rows) -> None:
    for query in (dao.querier.limit(1), dao.querier.offset(1)):
        with pytest.raises(ValueError, match="leave out limit and offset"):
            await query.offset_page(OffsetRequest())
