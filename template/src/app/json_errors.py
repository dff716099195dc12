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
        first.append(_details(found["type"], found["msg"], *found["loc"]))
    first.append(_details("too_many_errors", more(error.error_count() - MAX_ERRORS)))
    return ValidationError.from_exception_data(error.title, first)


def more(count: int) -> str:
    """The message that stands for the errors that are not shown."""
    return f"{count} more errors are not shown"


def brief(text: str) -> str:
    """The beginning of a text, in what UTF-8 can write."""
    cut = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
    return cut.encode(errors="replace").decode()


def unwritable(value: Any) -> list[InitErrorDetails]:
    r"""An error for the first text or number in parsed JSON that JSON in UTF-8 cannot hold; empty without one.

    Python's parser makes lone surrogates of escapes such as `\ud800`, and lets `NaN` and `1e999` through.
    """
    pending: list[tuple[Any, tuple[int | str, ...]]] = [(value, ())]
    while pending:
        item, location = pending.pop()
        if isinstance(item, dict):
            pending += [(part, (*location, key)) for key, part in item.items()]
            pending += [(key, location) for key in item]
        elif isinstance(item, list):
            pending += [(part, (*location, index)) for index, part in enumerate(item)]
        elif isinstance(item, str) and _SURROGATE.search(item):
            return [_details("string_unicode", "Input should be text that UTF-8 can write", *location)]
        elif isinstance(item, float) and not math.isfinite(item):
            return [_details("finite_number", "Input should be a finite number", *location)]
    return []


def _details(kind: Any, message: Any, *location: int | str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=location, input=None)
