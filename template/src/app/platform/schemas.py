"""Base classes of all request and response bodies."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema

from app.platform import strict_json
from app.platform.json_errors import not_json

# PostgreSQL's text type cannot store NUL, and names need no control characters
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]

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
