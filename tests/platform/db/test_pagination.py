"""Cursors, and pages that end in a cursor."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from app.platform.db.pagination import CURSOR_PATTERN, Cursor, to_page

MOMENT = datetime(2026, 11, 21, 10, 30, 15, 123456, tzinfo=UTC)


def test_encoded_cursor_can_be_decoded() -> None:
    cursor = Cursor(MOMENT, uuid4())
    text = cursor.encode()
    assert re.fullmatch(CURSOR_PATTERN, text)
    assert Cursor.decode(text) == cursor


@pytest.mark.parametrize("text", [f"0.{'0' * 32}", f"{'9' * 16}.{'f' * 32}"])
def test_every_text_that_matches_the_pattern_is_a_cursor(text: str) -> None:
    assert Cursor.decode(text).id == UUID(hex=text.partition(".")[2])


@pytest.mark.parametrize("text", ["", ".", "x.y", "1"])
def test_other_text_is_not_a_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cursor.decode(text)


def test_page_ends_where_the_next_one_begins() -> None:
    rows = [SimpleNamespace(id=uuid4(), created_at=MOMENT) for _ in range(3)]
    assert to_page(rows, 3).next_cursor is None
    page = to_page(rows, 2)
    assert page.items == rows[:2]
    assert page.next_cursor == Cursor(MOMENT, rows[1].id).encode()
