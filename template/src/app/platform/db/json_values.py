"""JSON of columns: faster than the standard library's, and no value becomes another one.

The engine uses these functions for its JSON and JSONB columns, and each connection for the results of statements that
are sent through the driver itself.
"""

import json
from typing import Any

import orjson
from pydantic_core import from_json


def dumps(value: Any) -> str:
    """Return the value as JSON; dates, times and UUIDs become text.

    Raises:
        TypeError: JSON has no type for a part of it, such as a Decimal.
        ValueError: it contains NaN or infinity.
    """
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        # keys that are no text, integers of more than 64 bits
        return json.dumps(value, allow_nan=False)
    if "null" in text:
        # orjson writes null for NaN and infinity: raise instead
        json.dumps(value, allow_nan=False, skipkeys=True, default=str)
    return text


def loads(text: str | bytes) -> Any:
    """Return the value of JSON that PostgreSQL sent; integers of any size are exact, unlike those of orjson."""
    try:
        return from_json(text)
    except ValueError:
        # nested deeper than this parser allows
        return json.loads(text)
