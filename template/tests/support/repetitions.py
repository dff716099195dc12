"""Fail a GET whose number of statements grows with its rows; docs/queries.md says what to do then."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import currentframe
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2 as httpx
import pytest
from greenlet import getcurrent  # type: ignore[import-untyped] # comes without types
from sqlalchemy import Engine

from tests.support.sql import each_statement

ROOT = f"{Path(__file__).parents[2]}/"
OURS = (f"{ROOT}src/app/", f"{ROOT}tests/")
NOT_SHOWN = ("src/app/platform/", "tests/support/")
# as often a loop over a fixed list may run a statement
MOST_ALIKE = 3

_PARAMETER = re.compile(r"(?:\$\d+|%\(\w+\)s)(?:::\w+(?: WITH(?:OUT)? TIME ZONE)?(?:\[\])?)?")
_LIST = re.compile(r"\?(?:, \?)+")


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement: its text without parameters, the calls in our code that led to it, and the number of its rows."""

    statement: str
    calls: tuple[tuple[str, int, int, str], ...]
    rows: int


_sent: ContextVar[list[Sent] | None] = ContextVar("_sent", default=None)


@contextmanager
def refused(allowed: pytest.Mark | None) -> Iterator[None]:
    """Fail, inside the block, each GET of a client in this process that runs a statement again and again.

    That is: more than `MOST_ALIKE` times from the same call, or more than once after a statement that returned several
    rows. `allowed` is the test's mark `many_statements`, with the reason why it may.
    """
    if allowed:
        assert allowed.args, "say why: @pytest.mark.many_statements('why')"
        yield
        return
    handle = httpx.ASGITransport.handle_async_request

    async def watch(transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        sent: list[Sent] = []
        token = _sent.set(sent)
        try:
            response = await handle(transport, request)
        finally:
            _sent.reset(token)
        if request.method == "GET" and (found := repeated(sent)):
            raise AssertionError(_message(request, found))
        return response

    with pytest.MonkeyPatch.context() as patch, each_statement(Engine, "after", _record):
        patch.setattr(httpx.ASGITransport, "handle_async_request", watch)
        yield


def repeated(sent: Sequence[Sent]) -> list[Sent]:
    """Return the statements that one call has sent again and again; empty if there is none."""
    alike: dict[object, list[int]] = defaultdict(list)
    for index, each in enumerate(sent):
        alike[each.statement, each.calls].append(index)
    for first, *others in alike.values():
        after_several = any(each.rows > 1 for each in sent[:first])
        if len(others) >= (1 if after_several else MOST_ALIKE):
            return [sent[index] for index in (first, *others)]
    return []


def _record(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    if (sent := _sent.get()) is not None:
        # lists of different lengths are the same statement
        text = _LIST.sub("?", _PARAMETER.sub("?", " ".join(statement.split())))
        sent.append(Sent(text, tuple(_calls()), cursor.rowcount))


def _calls() -> Iterator[tuple[str, int, int, str]]:
    """Yield the calls in our code inside the request, the innermost first: file, line, instruction, function."""
    for frame in _frames():
        code = frame.f_code
        if code.co_filename == __file__:
            if code.co_name == "watch":
                return
        elif code.co_filename.startswith(OURS):
            yield code.co_filename.removeprefix(ROOT), frame.f_lineno, frame.f_lasti, code.co_name


def _frames() -> Iterator[FrameType]:
    # SQLAlchemy runs a statement in a greenlet of its own; who awaits it is in the parent's frames
    frame, running = currentframe(), getcurrent()
    while True:
        while frame:
            yield frame
            frame = frame.f_back
        if running.parent is None:
            return
        running = running.parent
        frame = running.gr_frame


def _message(request: httpx.Request, found: Sequence[Sent]) -> str:
    first = found[0]
    shown = [each for each in first.calls if not each[0].startswith(NOT_SHOWN)] or first.calls
    calls = "\n".join(f"  {file}:{line}, in {function}" for file, line, _, function in shown[:5])
    return (
        f"GET {request.url.path} ran the same statement {len(found)} times from the same place:\n"
        f"  {first.statement[:500]}\n{calls}\n"
        "Load the rows in one statement (docs/queries.md), or mark the test: @pytest.mark.many_statements('why')"
    )
