"""Base classes of all request and response bodies."""

from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from app.platform import strict_json
from app.platform.json_errors import not_json

_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

# PostgreSQL's text type cannot store NUL, and names need no control characters
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]


def _from_base64(value: Any) -> Any:
    # what is not text is left to pydantic, such as the bytes of a column
    if not isinstance(value, str):
        return value
    # Python itself takes any number of padding characters
    with suppress(ValueError):
        decoded = b64decode(value, validate=True)
        if len(value) == (len(decoded) + 2) // 3 * 4:
            return decoded
    message = "Input should be base64, such as AAEC/w=="
    raise PydanticCustomError("base64", message)


# bytes that JSON shows as base64; plain `bytes` are text in UTF-8, which most bytes are not
Base64 = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(lambda value: b64encode(value).decode(), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64, "examples": ["AAEC/w=="]}),
]

# for models that are not RequestModels; in a RequestModel plain `int` means the same
Integer = Annotated[int, BeforeValidator(strict_json.to_integer)]


class RequestModel(BaseModel):
    """A request body: it accepts what its OpenAPI schema describes, and refuses unknown fields.

    Values of another JSON type are refused, not converted: "7" is not an integer, 1 is not a boolean. Dates, UUIDs,
    decimals, enums and sets are read from their JSON forms. A datetime needs an offset, unless its type is
    `NaiveDatetime`, and becomes one in UTC; a time has no offset. A model, TypedDict or dataclass inside a body follows
    these rules only if it is a RequestModel.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema with the rules of `strict_json`. Python code makes instances from Python objects."""
        schema = handler(source)
        if cls.__pydantic_complete__:
            # FastAPI or another model asks for the schema
            return strict_json.reading_json(schema, cls)
        strict_json.adapt(schema, cls, handler)
        return schema


class FormModel(BaseModel):
    """The fields of a form. Other fields are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_non_json(cls, fields: Any) -> Any:
        if errors := not_json(fields):
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return fields


class ResponseModel(BaseModel):
    """A response body, made from the attributes of a model instance. OpenAPI requires all fields: all are sent."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_serialization_defaults_required=True)
