"""The service of orders, and somebody who orders."""

from uuid import UUID

import pytest

from app.features.orders.service import OrderService
from app.services import Services
from tests.features.orders.baskets import register


@pytest.fixture
def orders(services: Services) -> OrderService:
    """The service on the test's database."""
    return services.orders


@pytest.fixture
async def owner(services: Services) -> UUID:
    """A user's id."""
    return await register(services)
