"""The routes with special limits. They are found by marks on their functions, not by comparing paths."""

from collections.abc import Callable, Iterable
from re import Pattern
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import Scope

from app.platform import http_server_settings

PREFIX = "/api/v1"
"""The prefix of all routers."""

OPERATIONS = http_server_settings.OPERATIONS
"""Paths without access log, limits and traces: orchestrators request them all the time. Compare them with `path_of`."""

SIGN_IN = f"{PREFIX}/auth/token"
"""The path of the route that signs in."""

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])

_LARGE_BODY = "__large_body__"
_STRICT_RATE_LIMIT = "__strict_rate_limit__"


def large_body(endpoint: EndpointT) -> EndpointT:
    """Mark a route function that accepts bodies of `HTTP_MAX_IMPORT_BYTES`."""
    setattr(endpoint, _LARGE_BODY, True)
    return endpoint


def strict_rate_limit(endpoint: EndpointT) -> EndpointT:
    """Mark a route function that `HTTP_LOGIN_RATE_LIMIT` applies to, because it hashes or checks a password."""
    setattr(endpoint, _STRICT_RATE_LIMIT, True)
    return endpoint


class MarkedRoutes:
    """The routes whose functions have a mark, also in routers that other routers include."""

    def __init__(self, routers: Iterable[APIRouter], mark: str) -> None:
        self._by_method: dict[str, list[tuple[Pattern[str], str | None]]] = {}
        for route in iter_route_contexts([route for router in routers for route in router.routes]):
            pattern, template, _ = compile_path(f"{PREFIX}{route.path}")
            marked = hasattr(route.endpoint, mark)
            for method in route.methods or ():
                # also unmarked routes: the first one that matches handles the request
                self._by_method.setdefault(method, []).append((pattern, template if marked else None))
        for paths in self._by_method.values():
            # most methods have no marked route, so that nothing is left to compare
            while paths and paths[-1][1] is None:
                paths.pop()

    @classmethod
    def with_large_body(cls, routers: Iterable[APIRouter]) -> "MarkedRoutes":
        """Return the routes with the mark `@large_body`."""
        return cls(routers, _LARGE_BODY)

    @classmethod
    def with_strict_rate_limit(cls, routers: Iterable[APIRouter]) -> "MarkedRoutes":
        """Return the routes with the mark `@strict_rate_limit`."""
        return cls(routers, _STRICT_RATE_LIMIT)

    def find(self, scope: Scope) -> str | None:
        """Return the path template of the marked route that will handle a request; `None` if it is another route."""
        paths = self._by_method.get(scope.get("method", "WEBSOCKET"))
        if not paths:
            return None
        path = path_of(scope)
        return next((template for pattern, template in paths if pattern.match(path)), None)


def path_of(scope: Scope) -> str:
    """Return the path that routes are matched with: without the prefix that a proxy serves this application under."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    is_below = path[len(prefix) : len(prefix) + 1] in {"", "/"}
    return path.removeprefix(prefix) if is_below else path
