"""A database with a table that several transactions change."""

from collections.abc import AsyncIterator

import pytest

from tests.platform.support.trouble import TABLES, Trouble, opened
from tests.support.databases import execute


@pytest.fixture
async def trouble(migrated_url: str) -> AsyncIterator[Trouble]:
    """Yield the database, and what others do to it."""
    await execute(migrated_url, *TABLES)
    async with opened(migrated_url) as database:
        yield Trouble(database, migrated_url)
