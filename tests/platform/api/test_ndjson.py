"""Reading a stream of JSON lines."""

from collections.abc import AsyncIterator

import pytest

from app.platform.errors import AppError
from app.platform.http.ndjson import batches
from app.platform.schemas import Integer, RequestModel


class Item(RequestModel):
    number: Integer


class Refused(AppError):
    pass


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def numbers(*parts: bytes, size: int = 1000, line_limit: int = 100) -> list[list[int]]:
    found = batches(chunks(*parts), Item, Refused, size=size, line_limit=line_limit)
    return [[item.number for item in batch] async for batch in found]


async def test_lines_come_in_batches_however_they_arrive() -> None:
    text = b'{"number": 1}\n\n{"number": 2.0}\n{"number": 3}'
    assert await numbers(text, size=2) == [[1, 2], [3]]
    assert await numbers(*(bytes([byte]) for byte in text), size=3) == [[1, 2, 3]]
    assert await numbers() == []
    assert await numbers(b"\n\n") == []


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"not json", "Line 2: document: "),
        (b'{"number": 1.5}', "Line 2: number: "),
        (b'{"number": "1"}', "Line 2: number: "),
        (b'{"number": 1, "colour": "green"}', "Line 2: colour: "),
        (b"{}", "Line 2: number: "),
    ],
)
async def test_line_that_is_no_document_is_named(line: bytes, detail: str) -> None:
    with pytest.raises(Refused, match=detail):
        await numbers(b'{"number": 1}\n', line)


async def test_line_is_named_among_good_ones_of_its_batch() -> None:
    good = b'{"number": 1}\n'
    found = batches(chunks(good * 70 + b'{"number": "x"}\n' + good * 70), Item, Refused, size=50)
    assert len(await anext(found)) == 50
    with pytest.raises(Refused, match="Line 71: number: "):
        await anext(found)


async def test_long_documents_make_short_batches() -> None:
    line = b'{"number": 1' + b" " * 60_000 + b"}\n"
    found = await numbers(*[line] * 20, line_limit=65_536)
    assert [len(batch) for batch in found] == [9, 9, 2]


@pytest.mark.parametrize(
    "parts",
    [
        [b'{"number": 1}\n\n{"number": 1' + b" " * 100 + b'}\n{"number": 2}\nnot json'],
        # whose end never comes
        [b'{"number": 1}\n\n', b"x" * 60, b"x" * 60, b"x"],
    ],
)
async def test_line_that_is_too_long_is_named_like_others(parts: list[bytes]) -> None:
    with pytest.raises(Refused, match=r"^Line 3: document: The line is longer than 100 bytes\.$"):
        await numbers(*parts)


async def test_first_line_that_is_wrong_is_named_before_a_long_one() -> None:
    with pytest.raises(Refused, match="Line 1: document: "):
        await numbers(b"not json\n" + b"x" * 101)
