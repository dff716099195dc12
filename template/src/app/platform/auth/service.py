"""Signing in, rotating refresh tokens, signing out.

This code is the same in both styles of data access, so that switching the style does not touch security.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform import security
from app.platform.auth.errors import InvalidCredentials, InvalidRefreshToken
from app.platform.auth.models import RefreshToken
from app.platform.auth.revocation import revoke, revoke_all
from app.platform.auth.schemas import TokenPair
from app.platform.context import Actor
from app.platform.db.expiry import delete_before
from app.platform.db.recent_writers import written_for
from app.platform.db.retries import repeatable
from app.platform.db.session import SessionProvider
from app.platform.settings import AuthSettings

# A client refreshes a few times within the grace period. More is a loop, which must not make the query longer.
_MAX_SUCCESSORS = 32
# Times are compared with the database's clock, because the clocks of the instances differ.
_VALID = (RefreshToken.revoked_at.is_(None), RefreshToken.expires_at > func.now())


class _Successor(NamedTuple):
    user_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class VerifiedPassword:
    """A user who has given the right password, and the hash that it was compared with."""

    actor: Actor
    password_hash: str = field(repr=False)


class Accounts(Protocol):
    """The accounts as sign-in needs them; `app/features/users/` implements this."""

    async def authenticate(self, email: str, password: str) -> VerifiedPassword | None:
        """Return the active user with this email address and password."""

    async def lock_if_unchanged(self, session: AsyncSession, verified: VerifiedPassword) -> bool:
        """Lock the account until the transaction ends; return whether it is still active and has this password."""

    async def active_actor(self, user_id: UUID) -> Actor | None:
        """Return the user with current rights; `None` when there is no active user with this id."""


class AuthService:
    """Issues, refreshes and revokes the tokens of users."""

    def __init__(self, database: SessionProvider, accounts: Accounts, settings: AuthSettings) -> None:
        self._database = database
        self._accounts = accounts
        self._settings = settings

    async def active_actor(self, user_id: UUID) -> Actor | None:
        """Return the user with current rights; `None` when there is no active user with this id."""
        return await self._accounts.active_actor(user_id)

    async def sign_in(self, email: str, password: str) -> TokenPair:
        """Return a pair of tokens, whose refresh token starts a new family.

        Raises:
            InvalidCredentials: no active user has this email address and password.
        """
        verified = await self._accounts.authenticate(email, password)
        if verified is None:
            raise InvalidCredentials
        return await self.issue(verified)

    async def issue(self, verified: VerifiedPassword) -> TokenPair:
        """Return a pair of tokens for a user who has just given the password; the refresh token starts a new family.

        Raises:
            InvalidCredentials: the password was changed or the account closed since; this would not sign out the new
                family.
        """
        refresh_token = security.new_opaque_token()
        async with self._database.transaction() as session:
            if not await self._accounts.lock_if_unchanged(session, verified):
                raise InvalidCredentials
            await self._add(session, refresh_token, verified.actor.user_id, family_id=uuid4())
        return self._pair(verified.actor, refresh_token)

    async def refresh(self, token: str) -> TokenPair:
        """Exchange a refresh token for a new pair.

        For `AUTH_REFRESH_GRACE` seconds a used token gets the same successor again. A token that is used again later
        counts as stolen: its family is revoked.

        Raises:
            InvalidRefreshToken: it is unknown, expired, revoked or used too long ago, or its user is no longer active.
        """
        successor = await self._exchange(token)
        actor = successor and await self._accounts.active_actor(successor.user_id)
        if not actor or not successor:
            raise InvalidRefreshToken
        return self._pair(actor, successor.token)

    @repeatable
    async def sign_out(self, token: str) -> None:
        """Revoke the family of a refresh token; ignore an unknown token."""
        family = select(RefreshToken.family_id).where(RefreshToken.token_digest == security.digest(token))
        async with self._database.transaction() as session:
            await revoke(session, RefreshToken.family_id.in_(family))

    @repeatable
    async def sign_out_everywhere(self, user_id: UUID) -> None:
        """Revoke all refresh tokens of a user; access tokens end by themselves, after `AUTH_ACCESS_TOKEN_TTL`."""
        async with self._database.transaction() as session:
            await revoke_all(session, user_id)

    async def forget_expired(self) -> int:
        """Delete the expired refresh tokens, and return their number."""
        async with self._database.transaction() as session:
            now = (await session.execute(select(func.now()))).scalar_one()
        return await delete_before(self._database.transaction, RefreshToken.expires_at, now)

    @repeatable
    async def _exchange(self, token: str) -> _Successor | None:
        """Return the successor of a token; a token that was used too long ago loses its family."""
        async with self._database.transaction() as session:
            # raising inside this block would roll the revocation back
            return await self._use(session, token) or await self._use_again(session, token)

    async def _use(self, session: AsyncSession, token: str) -> _Successor | None:
        """Exchange an unused token. Of two requests at once, the second waits here, and then finds the token used."""
        use = (
            update(RefreshToken)
            .where(RefreshToken.token_digest == security.digest(token), RefreshToken.used_at.is_(None), *_VALID)
            .values(used_at=func.now())
            .returning(RefreshToken.user_id, RefreshToken.family_id)
        )
        used = (await session.execute(use)).one_or_none()
        if used is None:
            return None
        successor = security.successor_of(token, self._settings.secret_key.get_secret_value())
        await self._add(session, successor, used.user_id, used.family_id)
        return _Successor(used.user_id, successor)

    async def _use_again(self, session: AsyncSession, token: str) -> _Successor | None:
        """Return the successor of a used token within the grace period; revoke the token's family after it."""
        # now() is the start of this transaction, so the time spent waiting for a lock does not count
        just_used = RefreshToken.used_at > func.now() - timedelta(seconds=self._settings.refresh_grace)
        find = (
            select(RefreshToken.user_id, RefreshToken.family_id, just_used.label("just_used"))
            .where(RefreshToken.token_digest == security.digest(token), RefreshToken.used_at.is_not(None), *_VALID)
            .with_for_update()
        )
        used = (await session.execute(find)).one_or_none()
        if used is None:
            return None
        # without a grace period the comparison is not enough: a transaction that began later may have used the token
        if not self._settings.refresh_grace or not used.just_used:
            await revoke(session, RefreshToken.family_id == used.family_id)
            return None
        newest = await self._newest_successor(session, token)
        return _Successor(used.user_id, newest) if newest else None

    async def _newest_successor(self, session: AsyncSession, token: str) -> str | None:
        """Return the unused one of a token's successors; `None` when they were made with an unknown secret key."""
        by_digest: dict[str, str] = {}
        for key in security.keys(self._settings):
            successor = token
            for _ in range(_MAX_SUCCESSORS):
                successor = security.successor_of(successor, key)
                by_digest[security.digest(successor)] = successor
        unused = select(RefreshToken.token_digest).where(
            RefreshToken.token_digest.in_(by_digest), RefreshToken.used_at.is_(None)
        )
        found = await session.scalar(unused)
        return by_digest[found] if found else None

    async def _add(self, session: AsyncSession, token: str, user_id: UUID, family_id: UUID) -> None:
        # the account may be as new as the token: its first reads must find it
        written_for(session, user_id)
        expires_at = func.now() + timedelta(seconds=self._settings.refresh_token_ttl)
        await session.execute(
            insert(RefreshToken).values(
                user_id=user_id, family_id=family_id, token_digest=security.digest(token), expires_at=expires_at
            )
        )

    def _pair(self, actor: Actor, refresh_token: str) -> TokenPair:
        return TokenPair(
            access_token=security.issue_access_token(actor, self._settings),
            refresh_token=refresh_token,
            expires_in=int(self._settings.access_token_ttl),
        )
