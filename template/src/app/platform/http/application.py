"""What makes a FastAPI application this platform's: routes, names in OpenAPI, problem documents."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app.platform.errors import AppError, DatabaseUnavailable, PoolExhausted, QueryTimeout, RateLimited, WriteConflict
from app.platform.http import handlers, health, openapi
from app.platform.http.errors import Malformed, TooLarge, ValidationFailed
from app.platform.http.limits import PREFIX

# How any request may fail, besides what its own route says.
FAILURES = openapi.responses(
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


def set_up(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Serve the routers below `/api/v1`, and answer every failure with a problem document."""
    # side by side, because each level of nesting makes FastAPI look for the route once more
    for router in routers:
        app.include_router(router, prefix=PREFIX, responses=FAILURES)
    app.include_router(health.router)
    handlers.install(app)
    openapi.install(app)


def operation_id(route: APIRoute) -> str:
    """The function's name: stable for client generators, and unique, which a test checks."""
    return route.name
