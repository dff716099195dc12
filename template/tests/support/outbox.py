"""Reads the outbox."""

from collections.abc import Sequence

from sqlalchemy import select

from app.platform.db.session import Database
from app.platform.jobs.models import OutboxMessage


async def outbox(database: Database) -> Sequence[OutboxMessage]:
    """Return the unfinished jobs, oldest first."""
    async with database.read() as session:
        return (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.created_at))).all()
