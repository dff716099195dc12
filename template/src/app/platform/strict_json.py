"""Validate request bodies exactly as their OpenAPI schema describes them.

FastAPI parses a body, and lets pydantic validate the Python objects. In strict mode pydantic then refuses every type
that JSON has no syntax for: dates, UUIDs, decimals, enums, sets. When it validates JSON text, pydantic accepts these
types and is still strict. The checks below cover the types where pydantic and JSON Schema differ.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import (
    json_or_python_schema,
    no_info_after_validator_function,
    no_info_before_validator_function,
    with_info_wrap_validator_function,
)

from app.platform.choice_names import NAMED, name_of
from app.platform.json_errors import MAX_DEPTH, error_details, first_errors, not_json, too_deep

_SEQUENCES = frozenset({"frozenset", "list", "set", "tuple"})
# entries of a schema that are not schemas of values; the keys of mappings are always text in JSON
_NOT_VALUES = frozenset({"cls", "config", "default", "expected", "keys_schema", "members", "metadata", "serialization"})
_READS_JSON = "reads_json"
# asyncpg takes the microsecond before the year 10000 for "infinity", and drivers cannot read later moments
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def adapt(schema: CoreSchema, model: type[BaseModel], handler: GetCoreSchemaHandler) -> None:
    """Add the checks to the schema of a model, in place. Nested models add theirs themselves."""
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
            # LookupError: a model that is not complete yet, which adapts itself later
            with suppress(LookupError):
                pending.append(handler.resolve_ref_schema(node))
        elif kind != "model" or node["cls"] is model:
            pending += [value for key, value in node.items() if key not in _NOT_VALUES]
            if node.get("keys_schema", {}).get("type") in _TEXT_OR_UUID:
                pending.append(node["keys_schema"])
            if isinstance(kind, str):
                _adapt_node(node, kind)


def _adapt_node(node: dict[str, Any], kind: str) -> None:
    asked_to_convert = node.get("strict") is False
    if _READS_JSON in node.get("metadata", ()):
        # a nested model: the outer model already reads JSON for both
        _replace(node, node["schema"] | ({"ref": node["ref"]} if "ref" in node else {}))
    elif kind == "datetime":
        # "date-time" requires an offset (RFC 3339, section 5.6), except in fields of type NaiveDatetime
        node.setdefault("tz_constraint", "aware")
    elif kind == "time":
        # without a day, an offset has no meaning: PostgreSQL's type drops it
        node.setdefault("tz_constraint", "naive")
    elif kind in _SEQUENCES:
        # stop at the first wrong item: half a million wrong items would make half a million errors
        node["fail_fast"] = True
        # pydantic treats the result of a model's own validator as Python objects, and would refuse a list for a set
        node.setdefault("strict", False)
    elif kind == "union":
        _adapt_union(node)
    if kind == "enum" and not any(type(member.value) in {int, float} for member in node["members"]):
        return
    if check := None if asked_to_convert else _CHECKS.get(kind):
        _replace(node, _with_check(dict(node), check))
    if kind == "datetime":
        _replace(node, no_info_after_validator_function(_to_utc, dict(node)))


def _adapt_union(node: dict[str, Any]) -> None:
    kinds = [choice["type"] for choice in node["choices"] if isinstance(choice, dict)]
    # give such choices a label, because error locations would show the names of checks otherwise
    node["choices"] = [
        (choice, name_of(choice)) if isinstance(choice, dict) and choice["type"] in {*_CHECKS, *NAMED} else choice
        for choice in node["choices"]
    ]
    if "str" in kinds and _TEXT.intersection(kinds):
        # in its "smart" mode pydantic would prefer `str` to every checked type
        node["mode"] = "left_to_right"


def _with_check(node: Any, check: Callable[[Any], Any]) -> CoreSchema:
    if node["type"] not in _TEXT:
        return no_info_before_validator_function(check, node, ref=node.pop("ref", None))
    # pydantic also treats the result of a check as a Python object, so strict mode would refuse its text
    lax = no_info_before_validator_function(check, node | {"strict": False})
    return json_or_python_schema(lax, node)


def _replace(node: dict[str, Any], other: Any) -> None:
    node.clear()
    node.update(other)


def reading_json(schema: Any, model: type[BaseModel]) -> CoreSchema:
    """Return a schema that validates parsed JSON in pydantic's JSON mode, and Python objects as before."""

    def read(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if info.mode != "python" or type(value) is not dict:
            return validate(value)
        if too_deep(value):
            message = f"Input should not be nested deeper than {MAX_DEPTH} levels"
            raise ValidationError.from_exception_data(model.__name__, [error_details("too_deep", message)])
        try:
            text = _encode(value).encode()
        except TypeError:
            # the value contains Python objects, so it is not a request body
            return validate(value)
        except ValueError:
            raise ValidationError.from_exception_data(model.__name__, not_json(value)) from None
        try:
            return model.__pydantic_validator__.validate_json(text)
        except ValidationError as error:
            raise first_errors(error) from None

    # OpenAPI takes the schema's name from its `ref`
    inner = dict(schema)
    return with_info_wrap_validator_function(read, inner, ref=inner.pop("ref", None), metadata={_READS_JSON: True})


def to_integer(value: Any) -> Any:
    """Convert a float without a fraction to an integer: 2.0 is an integer in JSON Schema (Validation, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(regex: str, example: str, *others: type) -> Callable[[Any], Any]:
    """Return a check for text that matches `regex`; pydantic also accepts other text, such as "0" for 1970-01-01.

    The check also accepts objects of the types `others`, which a validator of the model may return.
    """
    pattern = re.compile(regex)

    def check(value: Any) -> Any:
        if isinstance(value, str) and pattern.match(value):
            return value
        if isinstance(value, others) and not isinstance(value, bool):
            return value
        raise PydanticCustomError("text_format", "Input should be written like {example}", {"example": example})

    return check


def _to_utc(moment: datetime) -> datetime:
    """Return the moment as PostgreSQL will return it, so that the answer to a POST is that of a later GET."""
    if moment.tzinfo is None:
        return moment
    with suppress(OverflowError):
        moment = moment.astimezone(UTC)
        if moment <= _LAST:
            return moment
    raise PydanticCustomError("datetime_range", "Input should be in the years 1 to 9999 in UTC")


def _unique(value: Any) -> Any:
    # pydantic describes a set with "uniqueItems", but does not check it
    # TypeError: items that are not JSON, from a validator of the model
    with suppress(TypeError):
        if isinstance(value, list) and len({_encode(item) for item in value}) < len(value):
            raise PydanticCustomError("unique_items", "Input should not contain an item twice")
    return value


def _no_boolean(value: Any) -> Any:
    # in Python True equals 1
    if isinstance(value, bool):
        raise PydanticCustomError("no_boolean", "Input should not be a boolean")
    return value


_TEXT = frozenset({"bytes", "date", "datetime", "decimal", "time", "timedelta"})
_TEXT_OR_UUID = _TEXT | {"uuid"}
_CHECKS: dict[Any, Callable[[Any], Any]] = {
    "bytes": _text("", "some text", bytes),
    "date": _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", "2030-01-31", date),
    "datetime": _text(r"[0-9]{4}-", "2030-01-31T12:00:00Z", datetime),
    "decimal": _text(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\Z", "10.50", int, float, Decimal),
    "enum": _no_boolean,
    "frozenset": _unique,
    "int": to_integer,
    "set": _unique,
    "time": _text(r"[0-9]{2}:", "12:30:00", time),
    "timedelta": _text(r"[+-]?P", "P1DT2H", timedelta),
    "uuid": _text(r"[0-9A-Fa-f]{8}-.{27}\Z", "6c84fb90-12c4-11e1-840d-7b25c5ee775a", UUID),
}
