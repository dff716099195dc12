"""Signing in, rotating refresh tokens, signing out.

The same in every style of data access: the template owns this table, and a switch of style should not touch security.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import security
from app.auth.errors import InvalidCredentials, InvalidRefreshToken
from app.auth.models import RefreshToken
from app.auth.schemas import TokenPair
from app.config import AuthSettings
from app.context import Actor
from app.db.session import SessionProvider
from app.users.service import UserService


class AuthService:
    """Tokens for users."""

    def __init__(self, database: SessionProvider, users: UserService, settings: AuthSettings) -> None:
        self._database = database
        self._users = users
        self._settings = settings

    async def sign_in(self, email: str, password: str) -> TokenPair:
        """Begin a new family of refresh tokens.

        Raises:
            InvalidCredentials: no active user has this address and this password.
        """
        actor = await self._users.authenticate(email, password)
        if actor is None:
            raise InvalidCredentials
        async with self._database.transaction() as session:
            refresh_token = self._add_token(session, actor.user_id, family_id=uuid4())
        return self._pair(actor, refresh_token)

    async def refresh(self, token: str) -> TokenPair:
        """Exchange a refresh token for a new pair. One that was used before was stolen: its family is revoked.

        Raises:
            InvalidRefreshToken: it is unknown, expired, revoked or used, or its user is no longer active.
        """
        async with self._database.transaction() as session:
            used = await self._use(session, token)
            # raising in here would roll the revocation back
            refresh_token = used and self._add_token(session, used.user_id, used.family_id)
        actor = used and await self._users.active_actor(used.user_id)
        if not actor or not refresh_token:
            raise InvalidRefreshToken
        return self._pair(actor, refresh_token)

    async def sign_out(self, token: str) -> None:
        """Revoke the family of a refresh token; an unknown one is nothing to complain about."""
        family = select(RefreshToken.family_id).where(RefreshToken.token_digest == security.digest(token))
        async with self._database.transaction() as session:
            await self._revoke(session, RefreshToken.family_id.in_(family))

    async def forget_expired(self) -> int:
        """Delete the tokens that have expired, and return how many."""
        expired = delete(RefreshToken).where(RefreshToken.expires_at < func.now())
        async with self._database.transaction() as session:
            result = await session.execute(expired.returning(RefreshToken.id))
            return len(result.all())

    async def _use(self, session: AsyncSession, token: str) -> RefreshToken | None:
        """Mark the token as used; locked, so that of two requests with it only one gets a pair."""
        found = await session.scalar(
            select(RefreshToken).where(RefreshToken.token_digest == security.digest(token)).with_for_update()
        )
        if found is None or found.revoked_at or found.expires_at <= datetime.now(UTC):
            return None
        if found.used_at:
            await self._revoke(session, RefreshToken.family_id == found.family_id)
            return None
        found.used_at = datetime.now(UTC)
        return found

    @staticmethod
    async def _revoke(session: AsyncSession, family: ColumnElement[bool]) -> None:
        await session.execute(
            update(RefreshToken).where(family, RefreshToken.revoked_at.is_(None)).values(revoked_at=func.now())
        )

    def _add_token(self, session: AsyncSession, user_id: UUID, family_id: UUID) -> str:
        token = security.new_opaque_token()
        expires_at = datetime.now(UTC) + timedelta(seconds=self._settings.refresh_token_ttl)
        session.add(
            RefreshToken(
                user_id=user_id,
                family_id=family_id,
                token_digest=security.digest(token),
                expires_at=expires_at,
            )
        )
        return token

    def _pair(self, actor: Actor, refresh_token: str) -> TokenPair:
        return TokenPair(
            access_token=security.issue_access_token(actor, self._settings),
            refresh_token=refresh_token,
            expires_in=int(self._settings.access_token_ttl),
        )
