"""Reads through a cache.

A load runs in a task of its own, for all callers that come meanwhile, and reads from the primary: a replica may not
know yet what has invalidated the value. Other processes wait for it, but for no longer than `CACHE_WAIT`.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

import structlog
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from app.platform.cache.flights import NOT_STORED, Flight, Flights
from app.platform.cache.keys import Names, Part, check
from app.platform.cache.store import Lease, Store, StoreUnavailable
from app.platform.db.afterwards import Work
from app.platform.db.gate import current_place
from app.platform.db.replicas import reading_from
from app.platform.metrics import CACHE_INVALIDATIONS, CACHE_REQUESTS

log = structlog.get_logger(__name__)

MAX_VALUE_BYTES = 1_048_576
"""A value that is longer as JSON is not stored."""

_POLL, _MAX_POLL = 0.01, 0.1

ValueT = TypeVar("ValueT")
Load = Callable[[], Awaitable[ValueT]]


class ReadCache(Generic[ValueT]):
    """The values of one read, by their keys: the base class of the caches in `caches.py`. `ttl` is in seconds.

    Raises:
        TypeError: values of this model cannot be JSON.
    """

    def __init__(self, prefix: str, name: str, model: type[ValueT], ttl: float, version: int) -> None:
        self._prefix = prefix
        self._name = name
        self._adapter, self._schema = _described(name, model, version)
        self._ttl = ttl
        self._store: Store | None = None
        self._wait = 0.0
        self._flights = Flights[ValueT]()
        self._told: set[str] = set()
        self._hits, self._misses, self._shared, self._errors = (
            CACHE_REQUESTS.labels(name, result) for result in ("hit", "miss", "shared", "error")
        )

    def open(self, store: Store | None, wait: float, longest: float) -> None:
        """Use this store. Without one, each read goes to its source.

        `wait` is how many seconds to wait for other processes; after `longest`, nobody joins a load any more.
        """
        self._store = store
        self._wait = wait
        self._flights.longest = longest

    def prepare(self) -> None:
        """Change the context in which values are loaded."""

    async def read(self, key: tuple[Part, ...], load: Load[ValueT]) -> ValueT:
        """Return the value with this key, from Redis or else from `load`."""
        # inside a unit of work the source shows what that has changed
        if self._store is None or current_place():
            check(key)
            return await load()
        names = Names.of(self._prefix, self._schema, key)
        try:
            found, versions = await self._find(self._store, names)
        except StoreUnavailable:
            return await self._join(names, None, partial(_only_load, load), known=False)
        if found:
            self._hits.inc()
            return found[0]
        return await self._join(names, versions, partial(self._load, self._store, names, load), known=True)

    def dropping(self, key: tuple[Part, ...]) -> Work | None:
        """Return the function that invalidates all values whose keys begin like this; `None` without a store.

        Raises:
            TypeError: a part of the key has another type than those of `Part`.
        """
        # at once, because after a commit it is too late for errors
        check(key)
        return partial(self._drop, self._store, Names.of(self._prefix, self._schema, key)) if self._store else None

    async def close(self) -> None:
        """Cancel the loads that still run."""
        await self._flights.close()

    async def _drop(self, store: Store, names: Names) -> None:
        self._flights.leave(names.versions[-1])
        done = await store.forget(names.versions[-1], names.versions[0])
        CACHE_INVALIDATIONS.labels(self._name, "done" if done else "late").inc()

    async def _join(
        self,
        names: Names,
        versions: bytes | None,
        load: Callable[[Flight[ValueT]], Awaitable[ValueT]],
        *,
        known: bool,
    ) -> ValueT:
        """Wait for a load of this key, a new one if there is none."""
        key = names.versions[-1]
        flight = self._flights.find(key, versions, known=known)
        (self._shared if flight else self._misses if known else self._errors).inc()
        if flight is None:
            context = copy_context()
            context.run(self.prepare)
            flight = self._flights.start(key, load, context)
        return await flight.result()

    async def _load(self, store: Store, names: Names, load: Load[ValueT], flight: Flight[ValueT]) -> ValueT:
        """Load and store the value, or wait until another process has done so."""
        try:
            lease, found = await self._wait_for_turn(store, names, flight)
        except StoreUnavailable:
            return await _only_load(load, flight)
        if found:
            return found[0]
        value = b""
        try:
            with reading_from("primary"):
                loaded = await load()
            value = self._encode(loaded)
        finally:
            # also after an error, which is not stored: others may load at once
            await self._end(store, names, lease, value)
        return loaded

    async def _wait_for_turn(
        self, store: Store, names: Names, flight: Flight[ValueT]
    ) -> tuple[Lease, tuple[ValueT] | None]:
        """Return when this process should load, or with the value that another one has loaded."""
        ends, pause, replace = time.monotonic() + self._wait, _POLL, False
        while True:
            lease = await store.begin(names, self._ttl, replace=replace)
            flight.versions = lease.versions
            if lease.value:
                if found := self._decode(lease.value):
                    return lease, found
                replace = True
                continue
            left = ends - time.monotonic()
            if lease.granted or left <= 0:
                return lease, None
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _MAX_POLL)

    async def _find(self, store: Store, names: Names) -> tuple[tuple[ValueT] | None, bytes | None]:
        """Return the value, and the versions."""
        stored, versions = await store.read(names)
        return None if stored is None else self._decode(stored), versions

    def _decode(self, stored: bytes) -> tuple[ValueT] | None:
        """Return the value, in a tuple because it may be `None`; nothing if it is not valid."""
        try:
            return (self._adapter.validate_json(stored, by_alias=False, by_name=True),)
        except Exception:  # noqa: BLE001 (models have code of their own; the source has the value as well)
            if self._is_new("cache_value_invalid"):
                log.warning("cache_value_invalid", cache=self._name)
            return None

    async def _end(self, store: Store, names: Names, lease: Lease, value: bytes) -> None:
        try:
            # not longer than the cache promises, and not all at the same moment
            await store.end(names, lease, self._ttl * random.uniform(0.9, 1.0), value)  # noqa: S311
        except StoreUnavailable:
            log.debug("cache_value_not_stored", cache=self._name)

    def _encode(self, value: ValueT) -> bytes:
        """Return the value as JSON; nothing if it cannot be stored."""
        try:
            encoded = self._adapter.dump_json(value, by_alias=False, round_trip=True, warnings="error")
            # a secret, an excluded field, an infinite number, or the fields of a subclass would be lost
            is_same = self._adapter.validate_json(encoded, by_alias=False, by_name=True) == value
        except Exception:  # noqa: BLE001 (models have code of their own; the caller gets the value all the same)
            is_same, encoded = False, b""
        if not is_same:
            if self._is_new("cache_value_not_json"):
                log.warning("cache_value_not_json", cache=self._name)
            return b""
        if len(encoded) > MAX_VALUE_BYTES:
            if self._is_new("cache_value_too_long"):
                log.warning("cache_value_too_long", cache=self._name)
            return b""
        return encoded

    def _is_new(self, event: str) -> bool:
        """Return whether this event was not logged yet: it would be repeated at each read."""
        is_new = event not in self._told
        self._told.add(event)
        return is_new


def _described(name: str, model: type[ValueT], version: int) -> tuple[TypeAdapter[ValueT], str]:
    """Return what reads and writes the model, and what its values look like.

    So a release with another model does not read the values of this one.
    """
    try:
        adapter = TypeAdapter(model)
        described = json.dumps([version, adapter.json_schema(by_alias=False)], sort_keys=True)
    except PydanticUserError as error:
        message = f"the cache {name!r} cannot keep values of {model!r} as JSON"
        raise TypeError(message) from error
    return adapter, hashlib.sha256(described.encode()).hexdigest()[:12]


async def _only_load(load: Load[ValueT], flight: Flight[ValueT]) -> ValueT:
    flight.versions = NOT_STORED
    return await load()
