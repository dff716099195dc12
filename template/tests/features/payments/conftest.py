"""A user who places orders, and the receivers of receipts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import pytest

from app.config import Settings
from app.services import Services
from tests.features.orders.baskets import register
from tests.support.receivers import Receiver, receiving


@pytest.fixture
async def receivers() -> AsyncIterator[list[Receiver]]:
    """Run two receivers that accept every receipt."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(receiving()) for _ in range(2)]


@pytest.fixture
def settings(settings: Settings, receivers: list[Receiver]) -> Settings:
    """Return settings with these receivers."""
    payments = settings.payments.model_copy(update={"webhook_urls": tuple(each.url for each in receivers)})
    return replace(settings, payments=payments)


@pytest.fixture
async def owner(services: Services) -> UUID:
    """Register a user, and return the id."""
    return await register(services)
