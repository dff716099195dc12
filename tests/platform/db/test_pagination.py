"""Cursors, and pages that end in a cursor."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.platform.db.pagination import CURSOR_PATTERN, Cursor, PageRequest, after_cursor, to_page
from app.platform.db.sorting import Sorting
from tests.platform.support.sortable import Level, Shade, Sortable, Tone, Unsortable

MOMENT = datetime(2026, 11, 21, 10, 30, 15, 123456, tzinfo=UTC)
KEY = "0" * 32


def test_encoded_cursor_can_be_decoded() -> None:
    cursor = Cursor(MOMENT, uuid4())
    text = cursor.encode()
    assert re.fullmatch(CURSOR_PATTERN, text)
    assert Cursor.decode(text) == cursor


@pytest.mark.parametrize("text", [f"0.{KEY}", f"{'9' * 16}.{'f' * 32}"])
def test_every_text_that_matches_the_pattern_is_a_cursor(text: str) -> None:
    assert Cursor.decode(text).id == UUID(hex=text.partition(".")[2])


@pytest.mark.parametrize("text", ["", ".", "x.y", "1"])
def test_other_text_is_not_a_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cursor.decode(text)


def test_page_ends_where_the_next_one_begins() -> None:
    rows = [SimpleNamespace(id=uuid4(), created_at=MOMENT) for _ in range(3)]
    assert to_page(rows, PageRequest(3)).next_cursor is None
    page = to_page(rows, PageRequest(2))
    assert page.items == rows[:2]
    assert page.next_cursor == Cursor(MOMENT, rows[1].id).encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Zoë & 日本.-_"),
        ("name", ""),
        ("name", "\U0001f600" * 500),
        ("shade", Shade.DARK),
        ("level", Level.B),
        ("tone", Tone.B),
        ("number", -(2**31)),
        ("amount", Decimal("-12.50")),
        ("amount", Decimal("1E+9")),
        ("exact", Decimal("9" * 1000 + "." + "1" * 1000)),
        ("day", date(2030, 1, 31)),
        ("moment", datetime(1, 1, 1, tzinfo=UTC)),
        ("moment", MOMENT),
    ],
)
@pytest.mark.parametrize("descending", [False, True])
def test_cursor_of_any_column_can_be_decoded(name: str, value: Any, descending: bool) -> None:
    sorting = Sorting(getattr(Sortable, name), descending=descending)
    position = sorting.position_of(SimpleNamespace(id=uuid4(), **{name: value}))
    text = position.encode()
    assert re.fullmatch(sorting.pattern, text)
    assert sorting.decode(text) == position


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("name", "AAAAA"),
        ("name", "_w"),
        ("name", "AA"),
        ("number", "9" * 19),
        ("number", "-" + "9" * 19),
        ("amount", "9" * 40 + "." + "9" * 40),
        ("day", "0"),
        ("day", "9" * 7),
        ("moment", "9" * 18),
        ("moment", "-" + "9" * 18),
    ],
)
def test_every_text_that_matches_the_pattern_of_a_sorting_is_a_cursor(name: str, text: str) -> None:
    sorting = Sorting(getattr(Sortable, name))
    cursor = f"{name}.{text}.{KEY}"
    assert re.fullmatch(sorting.pattern, cursor)
    assert "\0" not in str(sorting.decode(cursor).value)


def test_cursor_belongs_to_its_sorting() -> None:
    by_name, by_number = Sorting(Sortable.name), Sorting(Sortable.number)
    cursor = by_number.decode(f"number.7.{KEY}")
    with pytest.raises(ValueError, match="sorted by name"):
        by_name.decode(cursor.encode())
    for request in (PageRequest(after=cursor, sorting=by_name), PageRequest(after=cursor)):
        with pytest.raises(ValueError, match="in another way"):
            after_cursor(Sortable, request)
    with pytest.raises(ValueError, match="in another way"):
        after_cursor(Sortable, PageRequest(after=Cursor(MOMENT, uuid4()), sorting=by_name))
    with pytest.raises(ValueError, match="not Unsortable"):
        after_cursor(Unsortable, PageRequest(sorting=by_name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("maybe", "may be NULL"),
        ("long", "needs a length"),
        ("flag", "can be sorted by Decimal, "),
        ("native", "is an enum of PostgreSQL's own"),
        ("naive", "has no time zone"),
    ],
)
def test_other_columns_are_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"Unsortable.{name}.*{reason}"):
        Sorting(getattr(Unsortable, name))


def test_sorting_has_the_name_that_clients_know() -> None:
    sorting = Sorting(Sortable.level, descending=True, name="class")
    text = sorting.position_of(SimpleNamespace(id=uuid4(), level=Level.B)).encode()
    assert sorting.name == "-class"
    assert re.fullmatch(sorting.pattern, text)
    assert sorting.decode(text).value == "high"
    for name in ("", "a.b", "-a"):
        with pytest.raises(ValueError, match="a sorting cannot be called"):
            Sorting(Sortable.level, name=name)
