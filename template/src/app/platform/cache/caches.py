"""The caches of a process: a service method puts one around a read, and invalidates it where it writes.

Off by default (`CACHE_ENABLED`): then each read goes to its source. It does so as well while Redis does not answer.
`docs/caching.md` shows how to use them, and says what they promise.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, overload
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.cache.keys import Part, quoted
from app.platform.cache.reading import Load, ReadCache
from app.platform.cache.settings import CacheSettings
from app.platform.cache.store import Store
from app.platform.context import actor
from app.platform.db.afterwards import Work, after_transaction
from app.platform.db.gate import current_place
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shared import SharedTransaction

MAX_CACHES = 500
"""The most caches of a process. What varies from read to read belongs into the keys."""

MAX_TTL = 86_400.0
"""The most seconds that a value is kept, as with `CACHE_TTL`."""

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
        await _at_once(self.dropping(key))

    def invalidate_after(self, session: AsyncSession, *key: Part) -> None:
        """Do so when the transaction of this session has ended, unless it was rolled back."""
        _after(session, self.dropping(key))

    def invalidating(self, *key: Part, provider: SessionProvider | None = None) -> AbstractAsyncContextManager[None]:
        """Do so at the end of the block, also if it raises. A transaction has to begin and end inside the block.

        With `provider`, on which the block writes: if that shares an open transaction, do so when it has committed.

        Raises:
            RuntimeError: the block is inside of a unit of work, and `provider`, which is neither a `Database` nor a
                `SharedTransaction`, does not say whose.
        """
        return _at_the_end(self.dropping(key), provider)

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
        await _at_once(self.dropping((user, *key)))

    async def invalidate_all(self) -> None:
        """Drop the values of all users. Call it after the commit."""
        await _at_once(self.dropping(()))

    def invalidate_after(self, session: AsyncSession, user: UUID, *key: Part) -> None:
        """Drop the user's values when the transaction of this session has ended, unless it was rolled back."""
        _after(session, self.dropping((user, *key)))

    def invalidating(
        self, user: UUID, *key: Part, provider: SessionProvider | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Drop the user's values at the end of the block, also if it raises. A transaction has to end inside of it.

        With `provider`, on which the block writes: if that shares an open transaction, do so when it has committed.

        Raises:
            RuntimeError: the block is inside of a unit of work, and `provider`, which is neither a `Database` nor a
                `SharedTransaction`, does not say whose.
        """
        return _at_the_end(self.dropping((user, *key)), provider)


async def _at_once(drop: Work | None) -> None:
    if drop:
        await drop()


def _after(session: AsyncSession, drop: Work | None) -> None:
    if drop:
        after_transaction(session, drop)


@asynccontextmanager
async def _at_the_end(drop: Work | None, provider: SessionProvider | None) -> AsyncIterator[None]:
    if isinstance(provider, SharedTransaction):
        _after(provider.session, drop)
        yield
        return
    # another kind of provider may share the transaction that is open
    if not isinstance(provider, Database) and current_place():
        message = "the transaction around this block commits after it: use `invalidate_after` instead of `invalidating`"
        raise RuntimeError(message)
    try:
        yield
    finally:
        await _at_once(drop)


class Caches:
    """Makes the caches of a process. `service` keeps those of services apart that share a Redis.

    Without `CACHE_ENABLED` and `REDIS_URL` they store nothing. `longest_wait`, in seconds, is the longest that a source
    should take: it bounds `CACHE_WAIT`, and nobody joins a load that has run for longer.
    """

    def __init__(self, settings: CacheSettings, redis_url: str | None, service: str, longest_wait: float) -> None:
        self._settings = settings
        self._wait, self._longest = min(settings.wait, longest_wait), longest_wait
        self._store = Store(redis_url, settings.timeout, self._wait) if settings.enabled and redis_url else None
        self._prefix = f"cache/{quoted(service)}"
        self._made: dict[str, tuple[tuple[Any, ...], ReadCache[Any]]] = {}

    @overload
    def shared(
        self, name: str, model: type[ValueT], *, ttl: float | None = None, version: int = 1
    ) -> SharedCache[ValueT]: ...

    @overload
    def shared(
        self, name: str, model: UnionType, *, ttl: float | None = None, version: int = 1
    ) -> SharedCache[Any]: ...

    def shared(self, name: str, model: Any, *, ttl: float | None = None, version: int = 1) -> SharedCache[Any]:
        """Return the cache of this name, for values that are the same for all users.

        `ttl`, in seconds, is `CACHE_TTL` by default. Increase `version` when values change without their model.

        Raises:
            ValueError: there is another cache of this name, or too many; or the time is not between 0 and `MAX_TTL`.
            TypeError: values of this model cannot be JSON.
        """
        return self._make(SharedCache, name, model, ttl, version)

    @overload
    def per_user(
        self, name: str, model: type[ValueT], *, ttl: float | None = None, version: int = 1
    ) -> UserCache[ValueT]: ...

    @overload
    def per_user(
        self, name: str, model: UnionType, *, ttl: float | None = None, version: int = 1
    ) -> UserCache[Any]: ...

    def per_user(self, name: str, model: Any, *, ttl: float | None = None, version: int = 1) -> UserCache[Any]:
        """Return the cache of this name, for values that belong to one user each; see `shared`.

        Raises:
            ValueError, TypeError: as `shared`.
        """
        return self._make(UserCache, name, model, ttl, version)

    async def close(self) -> None:
        """Cancel the loads that still run, and close the connections to Redis."""
        for _, made in self._made.values():
            await made.close()
        if self._store:
            await self._store.close()

    def _make(self, kind: type[CacheT], name: str, *described: Any) -> CacheT:
        known = self._made.get(name)
        if known is None:
            known = self._made[name] = ((kind, *described), self._new(kind, name, *described))
        if known[0] != (kind, *described):
            message = f"there is another cache of the name {name!r}"
            raise ValueError(message)
        return cast("CacheT", known[1])

    def _new(self, kind: type[CacheT], name: str, model: Any, ttl: float | None, version: int) -> CacheT:
        if ttl is not None and not 0 < ttl <= MAX_TTL:
            message = f"the ttl of the cache {name!r} has to be above 0, and at most {MAX_TTL:g} seconds"
            raise ValueError(message)
        if len(self._made) >= MAX_CACHES:
            message = f"there are {MAX_CACHES} caches already: what varies from read to read belongs into the keys"
            raise ValueError(message)
        made = kind(f"{self._prefix}/{quoted(name)}", name, model, ttl or self._settings.ttl, version)
        made.open(self._store, self._wait, self._longest)
        return made


# one for all, because a cache takes longer to make than a row takes to write
@cache
def no_caches() -> Caches:
    """Return caches that store nothing, for services that are made without those of a process."""
    return Caches(CacheSettings.model_construct(), None, "", 0.0)
