"""What all request and response bodies have in common."""

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
from app.platform.json_errors import unwritable

# PostgreSQL's text cannot hold NUL, and no control character belongs into a name
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]


# plain `int` in a RequestModel means the same; this name is for other models
Integer = Annotated[int, BeforeValidator(strict_json.whole)]


class RequestModel(BaseModel):
    """A request body: it accepts what its OpenAPI schema describes, and refuses unknown fields.

    Values of another JSON type are refused, not converted: "7" is no integer, 1 no boolean. Dates, UUIDs, decimals,
    enums and sets are read from what JSON can write. A datetime needs an offset, unless it is a `NaiveDatetime`.
    Models, TypedDicts and dataclasses inside of a body follow the same rules if they are RequestModels, too.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema with the rules of `strict_json`; Python code that makes an instance gives Python objects."""
        schema = handler(source)
        if cls.__pydantic_complete__:
            # asked for by FastAPI, or by another model
            return strict_json.reading_json(schema, cls)
        strict_json.adapt(schema, cls, handler)
        return schema


class FormModel(BaseModel):
    """The fields of a form. Other fields are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unwritable(cls, fields: Any) -> Any:
        if errors := unwritable(fields):
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return fields


class ResponseModel(BaseModel):
    """A response body, made from the attributes of a model."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
