"""Revoke refresh tokens in the caller's transaction, so that they go together with the change that is the reason."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.auth.models import RefreshToken


async def revoke_all(session: AsyncSession, user_id: UUID) -> None:
    """Sign a user out everywhere: revoke all refresh tokens of the user."""
    await revoke(session, RefreshToken.user_id == user_id)


async def revoke(session: AsyncSession, which: ColumnElement[bool]) -> None:
    """Revoke whole families of refresh tokens.

    Repeat until none is left: a statement that waits for a concurrent refresh does not see the refresh's new token.
    """
    statement = (
        update(RefreshToken)
        .where(which, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(RefreshToken.id)
    )
    while (await session.execute(statement)).all():
        pass
