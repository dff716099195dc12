"""Render exceptions without values: errors of PostgreSQL and of validation quote rows, parameters and bodies.

Such an error is shown by its class and by names: SQLSTATE, constraint, table, column, statement, location in a body.
Its text and the texts of its causes are left out, and so is every text that repeats one of them.
"""

import re
import textwrap
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from pydantic_core import ValidationError
from sqlalchemy.exc import InvalidRequestError, StatementError

from app.platform.json_errors import MAX_ERRORS, first_errors, shorten

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

LEFT_OUT = "(text left out, because it may quote values)"

_DRIVERS = {"asyncpg", "psycopg"}
# our own errors of the drivers, which quote no values
_CONNECTING = f"{__package__}.db.connecting"
_VALIDATION = {"fastapi", "pydantic_core"}
_NAMES = {"constraint": "constraint_name", "table": "table_name", "column": "column_name"}
# The classes of SQLSTATE in which PostgreSQL's own messages quote the names of things, and never values.
_QUOTING_NAMES = {"08", "0A", "25", "26", "28", "34", "3B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}
# the source file of PostgreSQL that raises the messages of PL/pgSQL's RAISE, which may have any SQLSTATE
_RAISE = "pl_exec.c"

# after it, an error of a session quotes the whole text of the error that made the session unusable
_ANOTHER = re.compile(r"(?<=xception)(?: was)?: ")

_MAX_DEPTH = 20
_MAX_MEMBERS = 15
_MAX_FRAMES = 100
_MAX_STATEMENT = 2000
# shorter lines are found in any text
_SHORTEST_LINE = 4


def render(exc_info: ExcInfo) -> str:
    """Return the traceback as text, with the exceptions that led to it; without values and local variables."""
    _, error, frames = exc_info
    return _chain(error, frames, _quoting(error), 0).rstrip("\n")


def summary(error: BaseException) -> str:
    """Return class and message in one line."""
    text = message(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def message(error: BaseException) -> str:
    """Return the message in one line; the name of its class if it has none."""
    return _text(error, _quoting(error)).split("\n", 1)[0] or type(error).__name__


def without_values(text: str, error: BaseException) -> str:
    """Return the first line of a text about an error, or `LEFT_OUT` when it repeats a text that may quote values."""
    first = text.split("\n", 1)[0]
    return LEFT_OUT if _repeats(first, _quoting(error)) else first


def names(error: BaseException) -> dict[str, str]:
    """Return SQLSTATE, constraint, table and column, as far as this error of the database has them."""
    source = _source(error)
    fields = getattr(source, "diag", source)
    found = {name: getattr(fields, attribute, None) for name, attribute in _NAMES.items()}
    return {name: value for name, value in {"sqlstate": getattr(source, "sqlstate", None), **found}.items() if value}


def _chain(error: BaseException, frames: TracebackType | None, quoting: list[BaseException], depth: int) -> str:
    """Return the text of an exception after those of its causes; of a group, before those of its members."""
    kind, lines = type(error), traceback.format_tb(frames, -_MAX_FRAMES)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    shown = "".join(["Traceback (most recent call last):\n" if lines else "", *lines, name])
    shown += "\n".join([f": {_text(error, quoting)}".removesuffix(": "), *_notes(error, quoting), ""])
    if depth == _MAX_DEPTH:
        return shown
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions[:_MAX_MEMBERS], 1):
            shown += f"  +---------------- {number} of {len(error.exceptions)} ----------------\n"
            shown += textwrap.indent(_chain(member, member.__traceback__, quoting, depth + 1), "  | ")
    if earlier := _earlier(error):
        relation = "caused this exception" if error.__cause__ else "was being handled when this exception was raised"
        shown = f"{_chain(earlier, earlier.__traceback__, quoting, depth + 1)}\nThe above {relation}:\n\n{shown}"
    return shown


def _earlier(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _text(error: BaseException, quoting: list[BaseException]) -> str:
    if isinstance(error, StatementError):
        statement = [f"[SQL: {error.statement[:_MAX_STATEMENT]}]"] if error.statement else []
        return "\n".join([_text(error.orig, quoting) if error.orig else LEFT_OUT, *statement])
    if any(error is each for each in quoting):
        return _without_quotes(error)
    text = str(error)
    return LEFT_OUT if _repeats(text, quoting) else text


def _without_quotes(error: BaseException) -> str:
    if _root(error) in _VALIDATION:
        return ", ".join(_invalid(error)) or LEFT_OUT
    if isinstance(error, InvalidRequestError):
        return _ANOTHER.split(str(error), maxsplit=1)[0]
    if not _of_a_driver(error):
        return LEFT_OUT
    if not (found := names(error)):
        return LEFT_OUT if _about_data(error) else str(_source(error)).split("\n", 1)[0]
    return f"{_servers_message(error, found)} ({', '.join(f'{name} {value}' for name, value in found.items())})".strip()


def _servers_message(error: BaseException, found: dict[str, str]) -> str:
    """Return the first line of the server's message, or nothing if it may quote values."""
    source = _source(error)
    diagnosis = getattr(source, "diag", None)
    file = diagnosis.source_file if diagnosis else getattr(source, "server_source_filename", None)
    quotes_names = found.get("sqlstate", "")[:2] in _QUOTING_NAMES and file != _RAISE
    return str(source).split("\n", 1)[0] if quotes_names else ""


def _invalid(error: Any) -> Iterator[str]:
    """Yield location and kind of each error that validation found, without the input."""
    found = first_errors(error) if isinstance(error, ValidationError) else error
    for item in found.errors()[: MAX_ERRORS + 1] if hasattr(found, "errors") else ():
        yield f"{shorten('.'.join(map(str, item['loc'])))} [{item['type']}]"


def _quoting(error: BaseException) -> list[BaseException]:
    """Return the exceptions whose texts may quote values, of all that led to this one or are in its group."""
    found: list[BaseException] = []
    seen: list[BaseException] = []
    pending = [(error, False)]
    while pending and len(seen) < _MAX_DEPTH * _MAX_MEMBERS:
        current, below = pending.pop()
        if any(current is each for each in seen):
            continue
        seen.append(current)
        quotes = below or _quotes(current)
        found += [current] if quotes else []
        members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        parts = (getattr(current, "orig", None), current.__cause__, current.__context__, *members[:_MAX_MEMBERS])
        pending += [(each, quotes) for each in parts if isinstance(each, BaseException)]
    return found


def _quotes(error: BaseException) -> bool:
    if isinstance(error, InvalidRequestError):
        return _ANOTHER.search(str(error)) is not None
    return isinstance(error, StatementError) or _of_a_driver(error) or _root(error) in _VALIDATION


def _repeats(text: str, quoting: list[BaseException]) -> bool:
    return any(len(line) >= _SHORTEST_LINE and line in text for each in quoting for line in _lines(each))


def _lines(error: BaseException) -> Iterator[str]:
    """Yield the lines of an error's text that may quote values."""
    for line in str(error).split("\n"):
        if not isinstance(error, ValidationError) or "input_value=" in line:
            yield line.strip()


def _notes(error: BaseException, quoting: list[BaseException]) -> list[str]:
    """Return the notes that were added to an exception."""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return [LEFT_OUT if any(error is each for each in quoting) or _repeats(note, quoting) else note for note in notes]


def _root(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _of_a_driver(error: BaseException) -> bool:
    module = type(error).__module__
    return _root(error) in _DRIVERS or module == _CONNECTING or module.startswith("sqlalchemy.dialects.")


def _about_data(error: BaseException) -> bool:
    """Return whether the driver itself refused a parameter."""
    return any(kind.__name__ == "DataError" for kind in type(error).__mro__)


def _source(error: BaseException) -> BaseException:
    """Return the driver's own error, which SQLAlchemy wraps once, or twice in the case of asyncpg."""
    if isinstance(error, StatementError) and error.orig:
        error = error.orig
    return error.__cause__ or error if type(error).__module__.startswith("sqlalchemy.dialects.") else error
