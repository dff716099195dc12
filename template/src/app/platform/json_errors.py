"""Validation errors of limited size, and checks for values that Python's JSON parser accepts although JSON does not."""

import json
import math
import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_ERRORS = 20
"""The most errors shown for one request. A body of 1 MiB can have 100 000, and describing them takes a second."""

MAX_CHARACTERS = 200
"""The most characters shown of a message or name, which the client may have chosen."""

MAX_DEPTH = 32
"""The most levels of a body. An error names all levels above it, so describing errors in deep bodies takes long."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def first_errors(error: ValidationError) -> ValidationError:
    """Return the error with its first `MAX_ERRORS` parts, and one more part that says how many are not shown."""
    if error.error_count() <= MAX_ERRORS:
        return error
    # not pydantic's `errors()`, which would make objects of all errors
    text = error.json(include_url=False, include_context=False, include_input=False)
    decode, position = json.JSONDecoder().raw_decode, 1
    first: list[InitErrorDetails] = []
    for _ in range(MAX_ERRORS):
        found, end = decode(text, position)
        position = end + 1
        first.append(error_details(found["type"], found["msg"], *found["loc"]))
    first.append(error_details("too_many_errors", not_shown(error.error_count() - MAX_ERRORS)))
    return ValidationError.from_exception_data(error.title, first)


def not_shown(count: int) -> str:
    """Return the message in place of `count` errors that are not shown."""
    return f"{count} more errors are not shown"


def shorten(text: str) -> str:
    """Return the first `MAX_CHARACTERS` of a text, without characters that UTF-8 cannot encode."""
    short = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
    return short.encode(errors="replace").decode()


def too_deep(value: Any) -> bool:
    """Return whether parsed JSON is nested deeper than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def not_json(value: Any) -> list[InitErrorDetails]:
    r"""Return an error for the first text or number in parsed JSON that valid JSON cannot contain; empty if none.

    Python's parser makes lone surrogates from escapes such as `\ud800`, and accepts `NaN` and `1e999`.
    """
    # each item has a link to its parent instead of its full location, whose length grows with the depth
    pending: list[tuple[Any, Any]] = [(value, None)]
    while pending:
        item, link = pending.pop()
        if isinstance(item, dict):
            pending += [(part, (link, key)) for key, part in item.items()]
            pending += [(key, link) for key in item]
        elif isinstance(item, list):
            pending += [(part, (link, index)) for index, part in enumerate(item)]
        elif isinstance(item, str) and _SURROGATE.search(item):
            return [error_details("string_unicode", "Input should be text that UTF-8 can write", *_location(link))]
        elif isinstance(item, float) and not math.isfinite(item):
            return [error_details("finite_number", "Input should be a finite number", *_location(link))]
    return []


def _location(link: Any) -> list[int | str]:
    location: list[int | str] = []
    while link is not None:
        link, key = link
        location.insert(0, key)
    return location


def error_details(kind: Any, message: Any, *location: int | str) -> InitErrorDetails:
    """Return one part of a `ValidationError`."""
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=location, input=None)
