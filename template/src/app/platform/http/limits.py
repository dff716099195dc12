"""The paths with special limits."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts

PREFIX = "/api/v1"
"""The prefix of all routers."""

OPERATIONS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths without access log and rate limit, because orchestrators request them all the time."""

SIGN_IN = f"{PREFIX}/auth/token"
"""The path that `HTTP_LOGIN_RATE_LIMIT` applies to."""

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])

_MARK = "__large_body__"


def large_body(endpoint: EndpointT) -> EndpointT:
    """Mark a route function that accepts bodies of `HTTP_MAX_IMPORT_BYTES`; its path must not have parameters."""
    setattr(endpoint, _MARK, True)
    return endpoint


def large_body_paths(routers: Iterable[APIRouter]) -> frozenset[str]:
    """Return the full paths of the marked routes, also of those in routers that other routers include.

    Raises:
        ValueError: a marked route has parameters in its path.
    """
    routes = (route for router in routers for route in iter_route_contexts(router.routes))
    paths = frozenset(f"{PREFIX}{route.path}" for route in routes if hasattr(route.endpoint, _MARK))
    if with_parameters := [path for path in paths if "{" in path]:
        message = f"large_body needs a path without parameters: {', '.join(with_parameters)}"
        raise ValueError(message)
    return paths
