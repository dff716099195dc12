"""Values in Redis with the versions they were loaded at, and what to do while Redis does not answer.

A key has several parts, and a version for each of its beginnings: `a/b` has versions of the whole cache, of `a`, and of
`a/b`. A value is stored together with the versions from before it was loaded, and is valid while they are the same. So
deleting one version invalidates all values below it, those too that are being loaded and stored later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.platform.cache.keys import Names

# Versions that are missing are made. The result has the value, if another process has just stored it; else the right to
# load, unless another process has it at these versions.
_BEGIN = """
local versions = ''
for i = 3, #KEYS do
  local version = redis.call('GET', KEYS[i])
  if not version then
    version = ARGV[1]
    redis.call('SET', KEYS[i], version, 'PX', ARGV[3])
  end
  versions = versions .. version
end
local value = ARGV[4] == '' and redis.call('GET', KEYS[2])
if value and string.sub(value, 1, #versions) == versions then
  return {0, versions, string.sub(value, #versions + 1)}
end
local loading = redis.call('GET', KEYS[1])
if loading and string.sub(loading, #ARGV[1] + 1) == versions then return {0, versions, ''} end
redis.call('SET', KEYS[1], ARGV[1] .. versions, 'PX', ARGV[2])
return {1, versions, ''}
"""
# The value is stored if nothing was invalidated since; the right to load is given back if it is still there.
_END = """
if ARGV[4] ~= '' then
  local versions = ''
  for i = 3, #KEYS do versions = versions .. (redis.call('GET', KEYS[i]) or '') end
  if versions == ARGV[2] then
    redis.call('SET', KEYS[2], ARGV[2] .. ARGV[4], 'PX', ARGV[3])
    for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
  end
end
if redis.call('GET', KEYS[1]) == ARGV[1] .. ARGV[2] then redis.call('DEL', KEYS[1]) end
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The versions before a load, the value if another process has just stored it, or whether this one should load."""

    token: str
    versions: bytes
    value: bytes
    granted: bool


class StoreUnavailable(Exception):
    """Redis did not answer in time, has refused the command, or is not asked at the moment."""


class Store:
    """The values and versions in Redis. Each method but `forget` and `close` raises `StoreUnavailable`."""

    def __init__(self, redis_url: str, timeout: float, wait: float) -> None:
        # imported late, because it imports redis-py
        from app.platform.cache.connection import Connection  # noqa: PLC0415

        self._wait = max(1, round(wait * 1000))
        self._connection = Connection(redis_url, timeout)

    async def read(self, names: Names) -> tuple[bytes | None, bytes | None]:
        """Return the value, `None` if there is no valid one, and the versions, `None` if some are missing."""
        found: list[bytes | None] = await self._connection.ask(lambda redis: redis.mget(names.value, *names.versions))
        value, *versions = found
        joined = b"".join(filter(None, versions))
        if None in versions:
            return None, None
        return value[len(joined) :] if value and value.startswith(joined) else None, joined

    async def begin(self, names: Names, ttl: float, *, replace: bool = False) -> Lease:
        """Note the versions before a load, and take the right to load; with `replace` although there is a value."""
        token = uuid4().hex
        arguments = (token, self._wait, _kept(ttl), "yes" if replace else "")
        granted, versions, value = await self._run(_BEGIN, names, *arguments)
        return Lease(token, versions, value, granted=bool(granted))

    async def end(self, names: Names, lease: Lease, ttl: float, value: bytes = b"") -> None:
        """Store the value, unless it was invalidated meanwhile, and give back the right to load."""
        await self._run(_END, names, lease.token, lease.versions, max(1, round(ttl * 1000)), value, _kept(ttl))

    async def forget(self, version: str, everything: str) -> bool:
        """Delete a version. Return whether Redis has done so; if not, it is done as soon as Redis can.

        `everything` is the version of the whole cache.
        """
        return await self._connection.delete(version, instead=everything)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._connection.close()

    async def _run(self, script: str, names: Names, *arguments: Any) -> Any:
        keys: Sequence[str] = (names.loading, names.value, *names.versions)
        return await self._connection.ask(lambda redis: redis.eval(script, len(keys), *keys, *arguments))


def _kept(ttl: float) -> int:
    """Return the milliseconds for which versions are kept: longer than the values that have them."""
    return round(ttl * 1000) + 60_000
