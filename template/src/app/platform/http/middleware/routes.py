"""Which route a request went to, for labels: the template, so that there are as many labels as routes."""

from starlette.types import Scope


def route_template(scope: Scope) -> str:
    """The full path template of the route that took the request; `unmatched` when none did."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None:
        return str(context.path_format)
    return str(getattr(scope.get("route"), "path", "unmatched"))
