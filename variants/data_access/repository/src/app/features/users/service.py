"""The operations on users. Each method is one unit of work."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.users.errors import EmailTaken, OwnAccount, UserNotFound, WrongPassword
from app.features.users.models import User
from app.features.users.repository import UserRepository
from app.features.users.schemas import AccountUpdate, UserCreate, UserRead, UserUpdate
from app.platform.auth.revocation import revoke_all
from app.platform.auth.service import VerifiedPassword
from app.platform.context import Actor
from app.platform.db import errors
from app.platform.db.pagination import Page, PageRequest
from app.platform.db.session import SessionProvider
from app.platform.security import PasswordHasher


class UserService:
    """Operations on users: registration, sign-in, profile, administration."""

    def __init__(self, database: SessionProvider, hasher: PasswordHasher) -> None:
        self._database = database
        self._hasher = hasher

    async def create(self, data: UserCreate) -> UserRead:
        """Register a user.

        Raises:
            EmailTaken: another account has this email address.
        """
        user = User(
            email=data.email,
            password_hash=await self._hasher.hash(data.password.get_secret_value()),
            full_name=data.full_name,
        )
        try:
            async with self._database.transaction() as session:
                await UserRepository(session).add(user)
        except IntegrityError as error:
            if errors.violates(error, "uq_users_email"):
                raise EmailTaken from error
            raise
        return UserRead.model_validate(user)

    async def authenticate(self, email: str, password: str) -> VerifiedPassword | None:
        """Return the active user with this email address and password."""
        async with self._database.read() as session:
            user = await UserRepository(session).find_by_email(email)
        matches = await self._hasher.verify(password, user.password_hash if user else None)
        return _verified(user) if user and matches and user.is_active else None

    async def lock_if_unchanged(self, session: AsyncSession, verified: VerifiedPassword) -> bool:
        """Lock the account until the transaction ends; return whether it is still active and has this password."""
        unchanged = select(User.id).where(
            User.id == verified.actor.user_id,
            User.password_hash == verified.password_hash,
            User.is_active,
            User.deleted_at.is_(None),
        )
        return await session.scalar(unchanged.with_for_update(key_share=True)) is not None

    async def active_actor(self, user_id: UUID) -> Actor | None:
        """Return the user as an actor with current rights; `None` when there is no active user with this id."""
        async with self._database.read() as session:
            is_admin = await UserRepository(session).is_admin(user_id)
        return None if is_admin is None else Actor(user_id, is_admin)

    async def find(self, user_id: UUID) -> UserRead | None:
        """Return the user with this id; `None` if there is none."""
        async with self._database.read() as session:
            return await UserRepository(session).show(user_id)

    async def get(self, user_id: UUID) -> UserRead:
        """Return the user with this id.

        Raises:
            UserNotFound: there is no user with this id.
        """
        user = await self.find(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, request: PageRequest) -> Page[UserRead]:
        """Return one page of all users, newest first."""
        async with self._database.read() as session:
            return await UserRepository(session).read(UserRead).page(request)

    async def update(self, user_id: UUID, data: UserUpdate) -> UserRead:
        """Change the fields that `data` sets.

        Raises:
            UserNotFound: there is no user with this id.
        """
        return await self._change(user_id, data.model_dump(exclude_unset=True))

    async def delete(self, user_id: UUID) -> None:
        """Mark a user as deleted.

        Raises:
            UserNotFound: there is no user with this id.
        """
        async with self._database.transaction() as session:
            users = UserRepository(session)
            user = await users.find(user_id)
            if user is None:
                raise UserNotFound
            await users.delete(user)

    async def change_password(self, user_id: UUID, current: str, new: str) -> VerifiedPassword:
        """Change the password, and sign the user out everywhere.

        Raises:
            UserNotFound: there is no user with this id.
            WrongPassword: `current` is not the user's password, or no longer.
        """
        async with self._database.read() as session:
            user = await UserRepository(session).find(user_id)
        if user is None:
            raise UserNotFound
        if not await self._hasher.verify(current, user.password_hash):
            raise WrongPassword
        password_hash = await self._hasher.hash(new)
        await self._change(user_id, {"password_hash": password_hash}, sign_out=True, verified=_verified(user))
        return VerifiedPassword(Actor(user.id, user.is_admin), password_hash)

    async def get_by_email(self, email: str) -> UserRead:
        """Return the user with this email address.

        Raises:
            UserNotFound: no user has this email address.
        """
        async with self._database.read() as session:
            user = await UserRepository(session).find_by_email(email)
        if user is None:
            raise UserNotFound(f"no user has the email address {email}")
        return UserRead.model_validate(user)

    async def administer(self, user_id: UUID, data: AccountUpdate, by: UUID | None = None) -> UserRead:
        """Change what `data` sets, for the administrator `by`; sign out a user who loses something.

        Raises:
            OwnAccount: the administrator would lose something.
            UserNotFound: there is no user with this id.
        """
        values = data.model_dump(exclude_none=True)
        loses = False in values.values()
        if loses and user_id == by:
            raise OwnAccount
        return await self._change(user_id, values, sign_out=loses)

    async def grant_admin(self, email: str) -> None:
        """Make the user with this email address an administrator.

        Raises:
            UserNotFound: no user has this email address.
        """
        user = await self.get_by_email(email)
        await self.administer(user.id, AccountUpdate(is_admin=True))

    async def _change(
        self,
        user_id: UUID,
        values: dict[str, Any],
        *,
        sign_out: bool = False,
        verified: VerifiedPassword | None = None,
    ) -> UserRead:
        async with self._database.transaction() as session:
            if verified and not await self.lock_if_unchanged(session, verified):
                raise WrongPassword
            users = UserRepository(session)
            user = await users.find(user_id)
            if user is None:
                raise UserNotFound
            await users.update(user, **values)
            if sign_out:
                await revoke_all(session, user_id)
        return UserRead.model_validate(user)


def _verified(user: User) -> VerifiedPassword:
    return VerifiedPassword(Actor(user.id, user.is_admin), user.password_hash)
