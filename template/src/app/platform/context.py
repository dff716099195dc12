"""The current caller and request id, which the logs and the audit columns need.

Context variables, so that services and repositories need not pass them on.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller. In a request `is_admin` is False unless the route depends on `CurrentActor`."""

    user_id: UUID
    is_admin: bool = False
    text: str = field(init=False, repr=False, compare=False)
    """The user id as text, for log lines and rate limits: made once for all requests with a token."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", str(self.user_id))


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
route: ContextVar[Callable[[], str] | None] = ContextVar("route", default=None)
"""Returns the path template of the request's route; a function, because the route is not known from the start."""
actor: ContextVar[Actor | None] = ContextVar("actor", default=None)
only_reads: ContextVar[bool] = ContextVar("only_reads", default=False)
"""Whether this is a request that changes nothing: GET or HEAD."""
stopping: ContextVar[asyncio.Event | None] = ContextVar("stopping", default=None)
"""Is set when the process, which may still be starting, is to end; `None` in processes without a server."""


def current_route() -> str | None:
    """Return the path template of the route that works for a request; `None` outside of requests."""
    find = route.get()
    return find() if find else None


def actor_id() -> UUID | None:
    """Return the caller's user id; `None` if no user is signed in (a job, a script, a registration)."""
    current = actor.get()
    return current.user_id if current else None
