"""The current caller and request id, which the logs and the audit columns need.

Context variables, so that services and repositories need not pass them on.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller. In a request `is_admin` is False unless the route depends on `CurrentActor`."""

    user_id: UUID
    is_admin: bool = False


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def actor_id() -> UUID | None:
    """Return the caller's user id; `None` if no user is signed in (a job, a script, a registration)."""
    current = actor.get()
    return current.user_id if current else None
