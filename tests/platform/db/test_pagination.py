"""Cursors."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from app.platform.db.pagination import CURSOR_PATTERN, Cursor, cut

MOMENT = datetime(2026, 11, 21, 10, 30, 15, 123456, tzinfo=UTC)


def test_cursor_survives_the_journey() -> None:
    cursor = Cursor(MOMENT, uuid4())
    word = cursor.encode()
    assert re.fullmatch(CURSOR_PATTERN, word)
    assert Cursor.decode(word) == cursor


@pytest.mark.parametrize("word", [f"0.{'0' * 32}", f"{'9' * 16}.{'f' * 32}"])
def test_every_word_of_the_form_is_a_cursor(word: str) -> None:
    assert Cursor.decode(word).id == UUID(hex=word.partition(".")[2])


@pytest.mark.parametrize("word", ["", ".", "x.y", "1"])
def test_other_words_are_none(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cursor.decode(word)


def test_page_ends_where_the_next_one_begins() -> None:
    rows = [SimpleNamespace(id=uuid4(), created_at=MOMENT) for _ in range(3)]
    assert cut(rows, 3).next_cursor is None
    page = cut(rows, 2)
    assert page.items == rows[:2]
    assert page.next_cursor == Cursor(MOMENT, rows[1].id).encode()
