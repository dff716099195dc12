"""All routes of the service."""

from fastapi import FastAPI

from app.api import ops
from app.api.problems import Malformed, TooLarge, ValidationFailed, responses
from app.api.v1 import auth, orders, users
from app.errors import AppError, DatabaseUnavailable, PoolExhausted, QueryTimeout, RateLimited, WriteConflict

V1 = (
    auth.router,
    users.router,
    orders.router,
    # add your own routers below
)

# How any request may fail, besides what its own route says.
FAILURES = responses(
    Malformed,
    TooLarge,
    ValidationFailed,
    RateLimited,
    AppError,
    DatabaseUnavailable,
    PoolExhausted,
    WriteConflict,
    QueryTimeout,
)


def include_all(app: FastAPI) -> None:
    """Side by side, because each level of nesting makes FastAPI look for the route once more."""
    for router in V1:
        app.include_router(router, prefix="/api/v1", responses=FAILURES)
    app.include_router(ops.router)
