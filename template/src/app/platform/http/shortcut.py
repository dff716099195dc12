"""Find the route of a request in one step."""

from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import cache, cached_property, partial
from inspect import Parameter, iscoroutinefunction, signature
from re import Pattern
from typing import Any

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute, APIWebSocketRoute, RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.http.limits import path_of

_NONE: tuple[Match, Scope] = (Match.NONE, {})
_RETURNED = "app.returned"
# what a route says of its answer
_DESCRIPTION = (
    "response_class",
    "response_model",
    "response_model_by_alias",
    "response_model_exclude",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
    "response_model_exclude_unset",
    "response_model_include",
    "status_code",
)
_path_format: ContextVar[str | None] = ContextVar("path_format", default=None)


class RouteShortcut(BaseRoute):
    """Stands before the included routers, and passes requests to their routes.

    FastAPI 0.165 asks each route of an included router through five calls, and twice. The routers remain for OpenAPI,
    for URLs, and for the requests that this class leaves to FastAPI.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    @cached_property
    def _by_method(self) -> dict[str, list[tuple[Pattern[str], Any]]]:
        """The paths of the routes up to the first mount, each with its route, or `None` to leave it to FastAPI."""
        found: dict[str, list[tuple[Pattern[str], Any]]] = {}
        for context in iter_route_contexts(self._routes):
            if isinstance(context.original_route, APIWebSocketRoute):
                continue
            if not context.methods:
                break
            for method in context.methods:
                # the object that FastAPI itself puts into the scope; the context finds each attribute with three calls
                selected = context.matches.__self__ if _is_plain(context) else None
                found.setdefault(method, []).append((context.path_regex, selected))
        return found

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route has this path and method, and what FastAPI adds to the scope for it."""
        if scope["type"] != "http":
            return _NONE
        path = path_of(scope)
        for pattern, selected in self._by_method.get(scope["method"], ()):
            if pattern.match(path):
                if selected and scope.get("fastapi.telemetry"):
                    _path_format.set(selected.path_format)
                return _match(selected, scope) if selected else _NONE
        return _NONE

    @property
    def path_format(self) -> str | None:
        """The path of the route that this request matched: FastAPI asks for it, to tell it to OpenTelemetry."""
        return _path_format.get()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the route that matched."""
        selected = scope["fastapi"]["effective_route_context"]
        # FastAPI would find out each time that there is nothing to do for it: 8 % of such a read
        direct = None if scope.get("fastapi.telemetry") else self._direct.get(id(selected))
        await (direct or selected.app)(scope, receive, send)

    @cached_property
    def _direct(self) -> dict[int, ASGIApp]:
        """What calls functions that take only the request, and return the response, by the ids of their routes."""
        routes = [selected for paths in self._by_method.values() for _, selected in paths if selected]
        return {id(selected): _past_fastapi(selected) for selected in routes if _may_be_direct(selected)}

    @cached_property
    def _by_name(self) -> dict[str, list[Any]]:
        """The routes of each name, with `None` for one that FastAPI has to ask."""
        found: dict[str, list[Any]] = {}
        for context in iter_route_contexts(self._routes):
            selected = context.matches.__self__ if _is_plain(context) else None
            found.setdefault(str(context.name), []).append(selected)
        return found

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Return the path of a route.

        FastAPI asks each route until one has the name: 6 % of the work of a POST, for the header `Location`.

        Raises:
            NoMatchFound: none has this name and these parameters, or FastAPI has to find it.
        """
        for selected in self._by_name.get(name, ()):
            if selected is None:
                break
            with suppress(NoMatchFound):
                path: URLPath = selected.url_path_for(name, **path_params)
                return path
        raise NoMatchFound(name, path_params)


def _is_plain(context: RouteContext) -> bool:
    """Return whether FastAPI itself would only match the path and the method, and call the route."""
    route = context.original_route
    if not isinstance(route, APIRoute) or type(route).matches is not APIRoute.matches:
        return False
    # a router may have limits for forms, which FastAPI collects on the way to the route
    is_form = context.body_field is not None and isinstance(context.body_field.field_info, Form)
    return type(route).handle is APIRoute.handle and not is_form


def _may_be_direct(selected: Any) -> bool:
    """Return whether FastAPI itself would do nothing for this route but call its function."""
    function, kind = selected.endpoint, type(selected.original_route)
    has_own_handler = kind.get_route_handler is not APIRoute.get_route_handler
    is_guarded = selected.dependant.dependencies or selected.max_body_size is not None
    # decorators may rely on how FastAPI calls functions, by keyword, or return something else than the function
    is_decorated = hasattr(function, "__wrapped__")
    if not iscoroutinefunction(function) or is_decorated or is_guarded or has_own_handler:
        return False
    try:
        described = signature(function, eval_str=True)
    except Exception:  # noqa: BLE001 (annotations are code, such as names that exist for type checkers only)
        return False
    [first, *more] = described.parameters.values() or [None]
    takes = first is not None and first.annotation is Request and first.kind is not Parameter.KEYWORD_ONLY
    returned = described.return_annotation
    return takes and not more and isinstance(returned, type) and issubclass(returned, Response)


def _past_fastapi(selected: Any) -> ASGIApp:
    """Return what calls the function of a route. If that returns no `Response`, FastAPI makes one."""
    function = selected.endpoint
    rest = cache(partial(_answer_of_fastapi, selected))

    async def call(request: Request) -> Any:
        returned = await function(request)
        if isinstance(returned, Response):
            return returned
        request.scope[_RETURNED] = returned
        return rest()

    return request_response(call)


def _answer_of_fastapi(selected: Any) -> ASGIApp:
    """Return the application that FastAPI makes of the route, for a function that has returned already."""

    async def returned(request: Request) -> Any:
        return request.scope[_RETURNED]

    described = {name: getattr(selected, name) for name in _DESCRIPTION}
    return APIRoute(selected.path, returned, **described).app


def _match(selected: Any, scope: Scope) -> tuple[Match, Scope]:
    match, child_scope = selected.matches(scope)
    child_scope |= {"route": selected.original_route, "fastapi": {"effective_route_context": selected}}
    return match, child_scope
