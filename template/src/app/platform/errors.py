"""Expected failures, each with its HTTP status and a stable code. This module imports no web framework."""

from typing import ClassVar


class AppError(Exception):
    """The base class of expected failures. Any other exception is a bug, and gets the answer 500.

    Attributes:
        status: HTTP status of the problem document.
        code: machine-readable name, stable across releases.
        title: describes the kind of failure; the message of an instance describes the single case.
        retry_after: seconds after which trying again may succeed; `None` if it will not.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal server error"
    retry_after: int | None = None

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or f"{self.title}."
        super().__init__(self.detail)


class StartupError(Exception):
    """The process cannot start; the message says why in one line."""


class NotAuthenticated(AppError):
    """The request has no valid access token, or the sign-in has wrong credentials."""

    status = 401
    code = "not_authenticated"
    title = "Missing or invalid credentials"


class Forbidden(AppError):
    """The caller is authenticated, but not allowed to do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class RateLimited(AppError):
    """The client made too many requests."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class IntegrityConflict(AppError):
    """The change violates a constraint of the database."""

    status = 409
    code = "integrity_conflict"
    title = "The change conflicts with existing data"


class ValueRefused(AppError):
    """PostgreSQL cannot store a value: too large a number, too long a text, or a text with NUL."""

    status = 422
    code = "value_refused"
    title = "A value cannot be stored"


class WriteConflict(AppError):
    """Concurrent changes conflict: deadlock, serialization failure, lock timeout."""

    status = 503
    code = "write_conflict"
    title = "Concurrent changes got in each other's way"
    retry_after = 1


class DatabaseUnavailable(AppError):
    """PostgreSQL cannot be reached, or the connection to it was lost."""

    status = 503
    code = "database_unavailable"
    title = "The database is unavailable"
    retry_after: int | None = 5


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost during a commit: the change may have been saved, or not."""

    code = "outcome_unknown"
    title = "It is unknown whether the change was saved"
    # clients that try again by themselves could make the change twice
    retry_after = None


class PoolExhausted(AppError):
    """No database connection became free within `DB_POOL_TIMEOUT`."""

    status = 503
    code = "pool_exhausted"
    title = "The service is at its limit of database connections"
    retry_after = 5


class Busy(AppError):
    """Too many requests wait for the same scarce resource, such as the threads that hash passwords."""

    status = 503
    code = "busy"
    title = "The service is busy"
    retry_after = 2


class WarmingUp(AppError):
    """Something that the request needs is still being loaded, such as a model."""

    status = 503
    code = "warming_up"
    title = "The service is still warming up"
    retry_after = 5


class UpstreamFailed(AppError):
    """A call of another service failed, and nobody handled it."""

    status = 502
    code = "upstream_failed"
    title = "Another service failed"


class UpstreamTimeout(AppError):
    """Another service did not answer a call in time, and nobody handled it."""

    status = 504
    code = "upstream_timeout"
    title = "Another service took too long"


class QueryTimeout(AppError):
    """The server cancelled a statement after `DB_STATEMENT_TIMEOUT`."""

    status = 504
    code = "query_timeout"
    title = "The database took too long"
