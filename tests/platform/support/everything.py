"""A request model with every type that a body can have: the service's own models may only have text and numbers."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, WithJsonSchema, field_validator, model_validator
from typing_extensions import TypedDict

from app.platform.schemas import Base64, RequestModel, Text

# pydantic's own JSON schema allows any text
DECIMAL = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?[0-9]+(\.[0-9]+)?$"}]}


class Colour(Enum):
    """An enumeration of text."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


class Span(TypedDict):
    """A TypedDict inside a model."""

    begins: datetime
    days: NotRequired[int]


class Circle(RequestModel):
    """A member of the union `Shape`."""

    shape: Literal["circle"]
    radius: float = Field(gt=0)


class Box(RequestModel):
    """A member of the union `Shape`, which contains itself."""

    shape: Literal["box"]
    sides: tuple[int, int]
    inside: list["Box"] = Field(default=[])


Shape = Annotated[Circle | Box, Field(discriminator="shape")]


class Tree(RequestModel):
    """A model that contains itself through `Branch`."""

    planted: date
    branches: list["Branch"] = Field(default=[])


class Branch(RequestModel):
    """A model that contains itself through `Tree`."""

    tree: Tree | None = None
    leaves: set[int] = Field(default=set())


class Validated(RequestModel):
    """A model whose own "before" validators return Python objects."""

    labels: frozenset[Text]
    clock: time
    pairs: list[tuple[int, date]]

    @model_validator(mode="before")
    @classmethod
    def _copy(cls, fields: Any) -> Any:
        return dict(fields) if isinstance(fields, dict) else fields

    @field_validator("labels", "pairs", mode="before")
    @classmethod
    def _reverse(cls, items: Any) -> Any:
        return items[::-1] if isinstance(items, list) else items


class Converted(RequestModel):
    """A model whose own validators and settings accept values that its JSON Schema does not describe."""

    day: Annotated[date, BeforeValidator(date.fromisoformat)]
    amount: Annotated[Decimal, BeforeValidator(lambda text: Decimal(text.replace(",", ".")))]
    epoch: Annotated[datetime, Field(strict=False)]


class Everything(RequestModel):
    """A field of each type; all are optional, so that a test can send a single field."""

    text: Text | None = None
    whole: int | None = None
    number: float | None = None
    flag: bool | None = None
    day: date | None = None
    moment: datetime | None = None
    clock: time | None = None
    duration: timedelta | None = None
    decimal: Annotated[Decimal, WithJsonSchema(DECIMAL)] | None = None
    key: UUID | None = None
    colour: Colour | None = None
    level: Level | None = None
    choice: Literal["a", "b"] | None = None
    secret: SecretStr | None = None
    raw: bytes | None = None
    packed: Base64 | None = Field(default=None, max_length=6)
    link: HttpUrl | None = None
    labels: set[Text] | None = None
    keys: frozenset[UUID] | None = None
    pair: tuple[int, Text] | None = None
    days: list[date] | None = None
    holidays: dict[str, date] | None = None
    day_or_number: date | int | None = None
    number_or_text: int | Text | None = None
    span: Span | None = None
    shape: Shape | None = None
    shapes: list[Shape] | None = None
    tree: Tree | None = None
    validated: Validated | None = None
    anything: object = None
