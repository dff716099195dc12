"""Error locations name the choices of a union by their types."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2 as httpx
import pytest
from pydantic import Json, PlainValidator, ValidationError, create_model
from pydantic_core import CoreSchema, core_schema

from app.platform.schemas import RequestModel
from tests.platform.support.everything import Colour, Level, Tree
from tests.support.client import problem


@pytest.mark.parametrize(
    ("field", "sent", "choices"),
    [("address", "192.0.2.1/8", ["IPv4Address", "IPv6Address"]), ("code", [], ["str", "int"])],
)
@pytest.mark.usefixtures("received")
async def test_choices_are_named_by_their_types(
    client: httpx.AsyncClient, field: str, sent: object, choices: list[str]
) -> None:
    document = problem(await client.post("/received", json={field: sent}), 422, "validation_error")
    assert [error["location"] for error in document["errors"]] == [["body", field, choice] for choice in choices]


def test_choice_may_be_instances_of_several_classes() -> None:
    class Several:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: Any) -> CoreSchema:
            return core_schema.no_info_after_validator_function(str, core_schema.is_instance_schema((bytes, Colour)))

    class Body(RequestModel):
        value: Several | int

    with pytest.raises(ValidationError) as found:
        Body(value=[])  # type: ignore[arg-type]
    assert [error["loc"] for error in found.value.errors()] == [("value", "is-instance"), ("value", "int")]


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        (list[int] | dict[UUID, Decimal], ["list[int]", "dict[uuid,decimal]"]),
        (list[IPv4Address] | Annotated[Any, PlainValidator(int)], ["list[IPv4Address]", "any"]),
        (list[Tree] | set[Level] | tuple[date, ...], ["list[Tree]", "set[Level]", "tuple[date, ...]"]),
        (list[int | date] | list[Literal["a"]], ["list[union[int,date]]", "list[literal['a']]"]),
        (Sequence[int] | Json[int] | list[list[int] | None], ["Sequence", "json[int]", "list[nullable[list[int]]]"]),
    ],
)
def test_choices_are_named_by_the_types_in_them(choices: Any, names: list[str]) -> None:
    model = create_model("Body", __base__=RequestModel, value=(choices, ...))
    with pytest.raises(ValidationError) as found:
        model.model_validate({"value": "?"})
    assert [error["loc"] for error in found.value.errors()] == [("value", name) for name in names]
