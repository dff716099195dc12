"""Who is calling, and in which request: read by the logs and by the audit columns.

Context variables, so that neither a service nor a repository has to hand them on.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from asgi_correlation_id.context import correlation_id as request_id

__all__ = ["Actor", "actor", "actor_id", "request_id"]


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller. Rights are those of the account now; until a route asks for them there are none."""

    user_id: UUID
    is_admin: bool = False


actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def actor_id() -> UUID | None:
    """The caller's user id, `None` when nobody is signed in (a job, a script, a registration)."""
    current = actor.get()
    return current.user_id if current else None
