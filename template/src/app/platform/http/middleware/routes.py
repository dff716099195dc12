"""The route of a request, for logs and metrics."""

from starlette.types import Scope

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})

UNMATCHED = "unmatched"
"""The route of requests for paths that no route has."""


def route_template(scope: Scope) -> str:
    """Return the path template of the request's route, or `UNMATCHED`.

    A template, not the path, because every different value would be a new label in the metrics.
    """
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None:
        return str(context.path_format)
    if (path := getattr(scope.get("route"), "path", None)) is not None:
        return str(path)
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return UNMATCHED
    if "app_root_path" in scope:
        # a mounted application, such as static files
        return f"{scope['root_path'].removeprefix(scope['app_root_path'])}/*"
    # a route of Starlette, which FastAPI does not put into the scope
    return str(getattr(endpoint, "__name__", type(endpoint).__name__))


def method_label(scope: Scope) -> str:
    """Return the method for metrics; any method that HTTP does not define is `OTHER`, as clients may invent many."""
    method = str(scope["method"])
    return method if method in _METHODS else "OTHER"
