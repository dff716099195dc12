"""What all request and response bodies have in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

# PostgreSQL's text cannot hold NUL, and no control character belongs into a name
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON does not tell 2.0 from 2, and neither does JSON Schema (Validation, 6.1.1)
Integer = Annotated[int, BeforeValidator(_whole)]


class RequestModel(BaseModel):
    """A request body: unknown fields and values of another JSON type are refused, not dropped or converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ResponseModel(BaseModel):
    """A response body, made from the attributes of a model."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
