"""A route that accepts every type, for the tests of request bodies."""

from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, Field, NaiveDatetime

from tests.platform.support.everything import Converted, Everything


class Local(Everything):
    """Adds fields with rules that OpenAPI cannot describe: no offset, a number of digits, integers as keys."""

    local: NaiveDatetime | None = None
    money: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] | None = None
    counts: dict[int, int] | None = None
    converted: Converted | None = None
    address: IPv4Address | IPv6Address | None = None
    code: Annotated[str, AfterValidator(str.upper)] | Annotated[int, AfterValidator(abs)] | None = None


@pytest.fixture
def received(app: FastAPI) -> list[Everything]:
    """Return the bodies that the route has received."""
    bodies: list[Everything] = []

    @app.post("/received")
    async def keep(body: Local) -> None:
        bodies.append(body)

    return bodies
