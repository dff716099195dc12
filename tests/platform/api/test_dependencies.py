"""What routes depend on is called in the event loop: FastAPI calls other functions in a thread, at each request."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.routes import ROUTERS


def called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for each in dependant.dependencies:
        if each.call:
            yield each.call
        yield from called(each)


def in_the_loop(call: Callable[..., Any]) -> bool:
    function = call if inspect.isroutine(call) else type(call).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def test_no_dependency_is_called_in_a_thread() -> None:
    routes = list(iter_route_contexts([route for router in ROUTERS for route in router.routes]))
    calls = {call for route in routes if hasattr(route, "dependant") for call in called(route.dependant)}
    assert len(calls) >= 5
    assert not [call for call in calls if not in_the_loop(call)]
