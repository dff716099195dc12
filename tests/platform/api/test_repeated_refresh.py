"""A refresh whose connection is lost is repeated, and does not count as a second use of the token."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.features.users.schemas import UserCreate
from app.platform import metrics
from app.platform.auth.service import AuthService
from app.platform.db.session import Database
from app.services import Services
from tests.platform.support.trouble import Trouble, growth
from tests.support.client import PASSWORD


class Unlucky:
    """A database whose first transaction loses its connection just before the end of its block."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._lucky = False

    @asynccontextmanager
    async def transaction(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        async with self._trouble.database.transaction(autoflush=autoflush) as session:
            yield session
            if not self._lucky:
                self._lucky = True
                await self._trouble.kill(session)
                await self._trouble.ask(session)

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._trouble.database.read()


@pytest.mark.commits
async def test_refresh_is_repeated(
    database: Database, services: Services, settings: Settings, migrated_url: str
) -> None:
    user = UserCreate(email="ada@example.com", password=SecretStr(PASSWORD))
    await services.users.create(user)
    first = await services.auth.sign_in(user.email, PASSWORD)
    # a second use of the token would sign the user out
    strict = settings.auth.model_copy(update={"refresh_grace": 0.0})
    auth = AuthService(Unlucky(Trouble(database, migrated_url)), services.users, strict)
    with growth(metrics.DB_RETRIES) as grown:
        second = await auth.refresh(first.refresh_token)
    assert grown == {"connection_lost": 1}
    assert await auth.refresh(second.refresh_token)
