"""The names of the choices of a union in error locations: their types, where pydantic would show functions."""

import re
from collections.abc import Iterator
from typing import Any

_WRAPPERS = frozenset({"chain", "custom-error", "default", "definitions", "lax-or-strict", "json-or-python"}) | {
    "function-after",
    "function-before",
    "function-wrap",
}
_INSIDE = ("schema", "strict_schema", "python_schema", "steps")
_PARTS = ("items_schema", "keys_schema", "values_schema", "choices", "schema")
_WITH_PARTS = frozenset({"dict", "frozenset", "generator", "json", "list", "nullable", "set", "tuple", "union"})
# references are written like "app.features.trees.schemas.Tree:94530[int:14052]"
_MODULES_AND_NUMBERS = re.compile(r"[\w<>.]+\.|:[0-9]+")

NAMED = _WRAPPERS | _WITH_PARTS | {"function-plain"}
"""The kinds of schemas whose names would show the functions that are in them."""


def name_of(schema: Any) -> str:
    """Return the type that a schema is about, below its validators, as pydantic writes types: `list[int]`."""
    while schema["type"] in _WRAPPERS:
        inside = next(schema[key] for key in _INSIDE if schema.get(key))
        schema = inside[0] if isinstance(inside, list) else inside
    kind = str(schema["type"])
    if kind == "function-plain":
        return "any"
    if kind == "definition-ref":
        return _MODULES_AND_NUMBERS.sub("", schema["schema_ref"])
    if kind == "literal":
        return f"literal[{','.join(map(repr, schema['expected']))}]"
    # instances may be of several classes
    if name := getattr(schema.get("cls"), "__name__", None):
        return str(name)
    parts = list(_parts(schema)) if kind in _WITH_PARTS else []
    return f"{kind}[{(', ' if kind == 'tuple' else ',').join(parts)}]" if parts else kind


def _parts(schema: Any) -> Iterator[str]:
    for key in _PARTS:
        found = schema.get(key) or ()
        for part in found if isinstance(found, list | tuple) else [found]:
            # a choice may have a label already
            yield part[1] if isinstance(part, tuple) else name_of(part)
    if "variadic_item_index" in schema:
        yield "..."
