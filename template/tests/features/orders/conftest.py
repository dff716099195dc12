"""Fixtures: the service of orders, and a user who owns orders."""

from uuid import UUID

import pytest

from app.features.orders.service import OrderService
from app.services import Services
from tests.features.orders.baskets import register


@pytest.fixture
def orders(services: Services) -> OrderService:
    """Return the service on the test's database."""
    return services.orders


@pytest.fixture
async def owner(services: Services) -> UUID:
    """Return the id of a new user."""
    return await register(services)
