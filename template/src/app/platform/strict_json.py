"""Request bodies read the way OpenAPI describes them: what JSON Schema accepts is accepted, anything else is refused.

FastAPI parses a body and has pydantic validate Python objects. In strict mode pydantic then refuses everything that
JSON can only write as text: dates, UUIDs, decimals, enums, sets. Validating JSON, pydantic accepts them and stays
strict. The checks below cover the types that pydantic reads otherwise than JSON Schema does.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import (
    json_or_python_schema,
    no_info_before_validator_function,
    with_info_wrap_validator_function,
)

from app.platform.json_errors import MAX_DEPTH, details, first_errors, too_deep, unwritable

_SEQUENCES = frozenset({"frozenset", "list", "set", "tuple"})
# what a schema holds besides schemas of values: the model's own values, and the keys of mappings, always text in JSON
_OTHERS = frozenset({"cls", "config", "default", "expected", "keys_schema", "members", "metadata", "serialization"})
_READS_JSON = "reads_json"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def adapt(schema: CoreSchema, model: type[BaseModel], handler: GetCoreSchemaHandler) -> None:
    """Add the checks to the schema of a model, in place. Models inside of it have their own."""
    seen: set[int] = set()
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, list | tuple):
            pending += node
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        kind = node.get("type")
        if kind == "definition-ref":
            # a model that is still being made adapts itself
            with suppress(LookupError):
                pending.append(handler.resolve_ref_schema(node))
        elif kind != "model" or node["cls"] is model:
            pending += [value for key, value in node.items() if key not in _OTHERS]
            if node.get("keys_schema", {}).get("type") in _WRITTEN:
                pending.append(node["keys_schema"])
            if isinstance(kind, str):
                _adapt_node(node, kind)


def _adapt_node(node: dict[str, Any], kind: str) -> None:
    asked_to_convert = node.get("strict") is False
    if _READS_JSON in node.get("metadata", ()):
        # a model inside of this one, which reads JSON for both
        _replace(node, node["schema"] | ({"ref": node["ref"]} if "ref" in node else {}))
    elif kind == "datetime":
        # "date-time" has an offset (RFC 3339, 5.6); a field that asks for naive ones keeps its rule
        node.setdefault("tz_constraint", "aware")
    elif kind in _SEQUENCES:
        # the first wrong item is enough: each of half a million would be an error
        node["fail_fast"] = True
        # what a model's own validator returns is no longer JSON for pydantic, which would ask for Python's types
        node.setdefault("strict", False)
    elif kind == "union":
        _adapt_union(node)
    if kind == "enum" and not any(type(member.value) in {int, float} for member in node["members"]):
        return
    if check := None if asked_to_convert else _CHECKS.get(kind):
        _replace(node, _checked(dict(node), check))


def _adapt_union(node: dict[str, Any]) -> None:
    kinds = [choice["type"] for choice in node["choices"] if isinstance(choice, dict)]
    # without a name of its own, a checked choice would be named after its check in an error's location
    node["choices"] = [
        (choice, choice["type"]) if isinstance(choice, dict) and choice["type"] in _CHECKS else choice
        for choice in node["choices"]
    ]
    if "str" in kinds and _TEXT.intersection(kinds):
        # for pydantic a checked date fits less well than any text does
        node["mode"] = "left_to_right"


def _checked(node: Any, check: Callable[[Any], Any]) -> CoreSchema:
    if node["type"] not in _TEXT:
        return no_info_before_validator_function(check, node, ref=node.pop("ref", None))
    # the same goes for what a check returns
    lax = no_info_before_validator_function(check, node | {"strict": False})
    return json_or_python_schema(lax, node)


def _replace(node: dict[str, Any], other: Any) -> None:
    node.clear()
    node.update(other)


def reading_json(schema: Any, model: type[BaseModel]) -> CoreSchema:
    """A schema that validates parsed JSON as JSON, and Python objects as the given schema does."""

    def read(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if info.mode != "python" or type(value) is not dict:
            return validate(value)
        if too_deep(value):
            message = f"Input should not be nested deeper than {MAX_DEPTH} levels"
            raise ValidationError.from_exception_data(model.__name__, [details("too_deep", message)])
        try:
            text = _encode(value).encode()
        except TypeError:
            # holds Python objects, as no body does
            return validate(value)
        except ValueError:
            raise ValidationError.from_exception_data(model.__name__, unwritable(value)) from None
        try:
            return model.__pydantic_validator__.validate_json(text)
        except ValidationError as error:
            raise first_errors(error) from None

    # OpenAPI names a schema by its reference
    inner = dict(schema)
    return with_info_wrap_validator_function(read, inner, ref=inner.pop("ref", None), metadata={_READS_JSON: True})


def whole(value: Any) -> Any:
    """The integer that a float stands for: JSON Schema does not tell 2.0 from 2 (Validation, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(form: str, example: str, *others: type) -> Callable[[Any], Any]:
    """A check for text of a form, where pydantic accepts others as well, such as "0" for the first day of 1970.

    Objects of the other types may come from a validator of the model.
    """
    pattern = re.compile(form)

    def check(value: Any) -> Any:
        if isinstance(value, str) and pattern.match(value):
            return value
        if isinstance(value, others) and not isinstance(value, bool):
            return value
        raise PydanticCustomError("text_format", "Input should be written like {example}", {"example": example})

    return check


def _unique(value: Any) -> Any:
    # "uniqueItems", which pydantic announces for a set; Python objects come from a validator of the model
    with suppress(TypeError):
        if isinstance(value, list) and len({_encode(item) for item in value}) < len(value):
            raise PydanticCustomError("unique_items", "Input should not contain an item twice")
    return value


def _no_boolean(value: Any) -> Any:
    # for Python, True is 1
    if isinstance(value, bool):
        raise PydanticCustomError("no_boolean", "Input should not be a boolean")
    return value


_TEXT = frozenset({"bytes", "date", "datetime", "decimal", "time", "timedelta"})
_WRITTEN = _TEXT | {"uuid"}
_CHECKS: dict[Any, Callable[[Any], Any]] = {
    "bytes": _text("", "some text", bytes),
    "date": _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", "2030-01-31", date),
    "datetime": _text(r"[0-9]{4}-", "2030-01-31T12:00:00Z", datetime),
    "decimal": _text(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\Z", "10.50", int, float, Decimal),
    "enum": _no_boolean,
    "frozenset": _unique,
    "int": whole,
    "set": _unique,
    "time": _text(r"[0-9]{2}:", "12:30:00", time),
    "timedelta": _text(r"[+-]?P", "P1DT2H", timedelta),
    "uuid": _text(r"[0-9A-Fa-f]{8}-.{27}\Z", "6c84fb90-12c4-11e1-840d-7b25c5ee775a", UUID),
}
