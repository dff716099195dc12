"""Errors of a size that does not depend on the request, and errors for what is no JSON although Python reads it."""

import json
import math
import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_ERRORS = 20
"""Errors that are shown of one request. A body of 1 MiB can hold 100 000, and describing them takes a second."""

MAX_CHARACTERS = 200
"""Characters that are shown of a message or of a name, which the client may have chosen."""

MAX_DEPTH = 32
"""Levels of a body: each error names all levels above it, so errors of deep bodies would take long to describe."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def first_errors(error: ValidationError) -> ValidationError:
    """The same error with at most `MAX_ERRORS` of its parts, and one that counts the others."""
    if error.error_count() <= MAX_ERRORS:
        return error
    # pydantic's `errors()` would make objects of all of them
    text = error.json(include_url=False, include_context=False, include_input=False)
    decode, position = json.JSONDecoder().raw_decode, 1
    first: list[InitErrorDetails] = []
    for _ in range(MAX_ERRORS):
        found, end = decode(text, position)
        position = end + 1
        first.append(details(found["type"], found["msg"], *found["loc"]))
    first.append(details("too_many_errors", more(error.error_count() - MAX_ERRORS)))
    return ValidationError.from_exception_data(error.title, first)


def more(count: int) -> str:
    """The message that stands for the errors that are not shown."""
    return f"{count} more errors are not shown"


def brief(text: str) -> str:
    """The beginning of a text, in what UTF-8 can write."""
    cut = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
    return cut.encode(errors="replace").decode()


def too_deep(value: Any) -> bool:
    """Whether parsed JSON is nested deeper than `MAX_DEPTH` levels."""
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


def unwritable(value: Any) -> list[InitErrorDetails]:
    r"""An error for a text or number in parsed JSON that JSON in UTF-8 cannot hold; empty without one.

    Python's parser makes lone surrogates of escapes such as `\ud800`, and lets `NaN` and `1e999` through.
    """
    # each item has a link to where it is, instead of a location of its own, which is as long as the item is deep
    pending: list[tuple[Any, Any]] = [(value, None)]
    while pending:
        item, link = pending.pop()
        if isinstance(item, dict):
            pending += [(part, (link, key)) for key, part in item.items()]
            pending += [(key, link) for key in item]
        elif isinstance(item, list):
            pending += [(part, (link, index)) for index, part in enumerate(item)]
        elif isinstance(item, str) and _SURROGATE.search(item):
            return [details("string_unicode", "Input should be text that UTF-8 can write", *_location(link))]
        elif isinstance(item, float) and not math.isfinite(item):
            return [details("finite_number", "Input should be a finite number", *_location(link))]
    return []


def _location(link: Any) -> list[int | str]:
    location: list[int | str] = []
    while link is not None:
        link, key = link
        location.insert(0, key)
    return location


def details(kind: Any, message: Any, *location: int | str) -> InitErrorDetails:
    """One part of a `ValidationError`."""
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=location, input=None)
