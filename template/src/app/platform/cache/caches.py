"""The caches of a process: a service method puts one around a read, and invalidates it where it writes.

Off by default (`CACHE_ENABLED`): then each read goes to its source. It does so as well while Redis does not answer.
`docs/caching.md` shows how to use them, and says what they promise.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.cache.keys import Part, quoted
from app.platform.cache.reading import Load, ReadCache
from app.platform.cache.settings import CacheSettings
from app.platform.cache.store import Store
from app.platform.context import actor
from app.platform.db.afterwards import after_transaction

ValueT = TypeVar("ValueT")
CacheT = TypeVar("CacheT", bound=ReadCache[Any])


class SharedCache(ReadCache[ValueT]):
    """Values that are the same for all users. What loads them does not learn who is asking."""

    async def get(self, *key: Part, load: Load[ValueT]) -> ValueT:
        """Return the value with this key, from Redis or else from `load`. Do not change it: others may get the same.

        Raises:
            Exception: what `load` raised; it is not stored.
        """
        return await self.read(key, load)

    async def invalidate(self, *key: Part) -> None:
        """Drop all values whose keys begin like this; without arguments, all values. Call it after the commit."""
        await self.drop(key)

    def invalidate_after(self, session: AsyncSession, *key: Part) -> None:
        """Do so when the transaction of this session has ended, unless it was rolled back."""
        after_transaction(session, lambda: self.drop(key))

    @asynccontextmanager
    async def invalidating(self, *key: Part) -> AsyncIterator[None]:
        """Do so at the end of the block, also if it raises. A transaction has to begin and end inside the block."""
        try:
            yield
        finally:
            await self.drop(key)

    def prepare(self) -> None:
        """Hide the caller from what loads the value."""
        actor.set(None)


class UserCache(ReadCache[ValueT]):
    """Values that belong to one user each; `user` is the one who may see the value, and part of its key."""

    async def get(self, user: UUID, *key: Part, load: Load[ValueT]) -> ValueT:
        """Return the user's value with this key, from Redis or else from `load`. Do not change it.

        Raises:
            Exception: what `load` raised; it is not stored.
        """
        return await self.read((user, *key), load)

    async def invalidate(self, user: UUID, *key: Part) -> None:
        """Drop all values of the user whose keys begin like this. Call it after the commit."""
        await self.drop((user, *key))

    async def invalidate_all(self) -> None:
        """Drop the values of all users. Call it after the commit."""
        await self.drop(())

    def invalidate_after(self, session: AsyncSession, user: UUID, *key: Part) -> None:
        """Drop the user's values when the transaction of this session has ended, unless it was rolled back."""
        after_transaction(session, lambda: self.drop((user, *key)))

    @asynccontextmanager
    async def invalidating(self, user: UUID, *key: Part) -> AsyncIterator[None]:
        """Drop the user's values at the end of the block, also if it raises. A transaction has to end inside of it."""
        try:
            yield
        finally:
            await self.drop((user, *key))


class Caches:
    """Makes the caches of a process. `service` keeps those of services apart that share a Redis.

    Without `CACHE_ENABLED` and `REDIS_URL` they store nothing. `longest_wait`, in seconds, bounds `CACHE_WAIT`: waiting
    for another process should not take longer than the source itself.
    """

    def __init__(self, settings: CacheSettings, redis_url: str | None, service: str, longest_wait: float) -> None:
        self._settings = settings
        self._wait = min(settings.wait, longest_wait)
        self._store = Store(redis_url, settings.timeout, self._wait) if settings.enabled and redis_url else None
        self._prefix = f"cache/{quoted(service)}"
        self._made: dict[str, tuple[tuple[Any, ...], ReadCache[Any]]] = {}

    def shared(
        self, name: str, model: type[ValueT], *, ttl: float | None = None, version: int = 1
    ) -> SharedCache[ValueT]:
        """Return the cache of this name, for values that are the same for all users.

        `ttl`, in seconds, is `CACHE_TTL` by default. Increase `version` when values change without their model.

        Raises:
            ValueError: there is another cache of this name.
        """
        return self._make(SharedCache[ValueT], name, model, ttl, version)

    def per_user(
        self, name: str, model: type[ValueT], *, ttl: float | None = None, version: int = 1
    ) -> UserCache[ValueT]:
        """Return the cache of this name, for values that belong to one user each; see `shared`.

        Raises:
            ValueError: there is another cache of this name.
        """
        return self._make(UserCache[ValueT], name, model, ttl, version)

    async def close(self) -> None:
        """Cancel the loads that still run, and close the connections to Redis."""
        for _, made in self._made.values():
            await made.close()
        if self._store:
            await self._store.close()

    def _make(self, kind: type[CacheT], name: str, *described: Any) -> CacheT:
        known = self._made.get(name)
        if known is None:
            model, ttl, version = described
            made = kind(f"{self._prefix}/{quoted(name)}", name, model, ttl or self._settings.ttl, version)
            made.open(self._store, self._wait)
            known = self._made[name] = ((kind, *described), made)
        if known[0] != (kind, *described):
            message = f"there is another cache of the name {name!r}"
            raise ValueError(message)
        return cast("CacheT", known[1])
