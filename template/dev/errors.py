"""The one error the developer servers raise on purpose."""


class ServiceError(RuntimeError):
    """Says in one sentence what is wrong with a developer server and what to do about it."""
