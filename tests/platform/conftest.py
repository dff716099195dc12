"""Keeps garbage collections short: a tenth of the time would go into looking at modules and tests again and again."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """Yield what asyncio complains of, instead of logging it."""
    said: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(context))
    yield said
    loop.set_exception_handler(None)
