"""The route of a request, for logs and metrics."""

from starlette.types import Scope

UNMATCHED = "unmatched"
"""The route of requests for paths that no route has."""


def route_template(scope: Scope) -> str:
    """Return the path template of the request's route, or `UNMATCHED`.

    A template, not the path, because every different value would be a new label in the metrics.
    """
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None:
        return str(context.path_format)
    return str(getattr(scope.get("route"), "path", UNMATCHED))
