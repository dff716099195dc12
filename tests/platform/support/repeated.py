"""A unit of work that is repeated."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.retries import repeatable
from app.platform.db.session import SessionProvider
from tests.platform.support.trouble import grow

Step = Callable[[AsyncSession], Awaitable[None]]


@dataclass
class Service:
    """A service of one method, whose first tries are what a test wants; `tries` counts all."""

    database: SessionProvider
    steps: list[Step] = field(default_factory=list)
    tries: int = 0

    @repeatable
    async def work(self) -> int:
        """Grow the first two things."""
        self.tries += 1
        async with self.database.transaction() as session:
            await grow(session, 1)
            if self.steps:
                await self.steps.pop(0)(session)
            await grow(session, 2)
        return self.tries
