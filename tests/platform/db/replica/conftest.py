"""Fixtures for tests with a streaming replica."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app.platform import context
from tests.platform.support.replication import Pair, replicated
from tests.support.databases import execute

USER = UUID(int=1)


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Yield a primary and its replica, with the table `notes`."""
    async with replicated(tmp_path_factory.mktemp("replicated")) as pair:
        await execute(pair.primary.url, "CREATE TABLE notes (text text)")
        await pair.caught_up()
        yield pair


@pytest.fixture(autouse=True)
def signed_in() -> None:
    """Make the test a GET request of a user."""
    context.actor.set(context.Actor(USER))
    context.only_reads.set(True)
