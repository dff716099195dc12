"""The lifespan of the web application: open the resources before the first request, close them after the last."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NotRequired, TypedDict, TypeVar

from fastapi import FastAPI

from app.platform.context import stopping
from app.platform.resources import PlatformResources


class State(TypedDict):
    """The attributes of `request.state`.

    The server adds `disconnect`, which needs the reason for the log. `HTTP_MAX_CONCURRENCY` adds `leave`: call it when
    what is left of a request is a stream, which has a limit of its own.
    """

    resources: PlatformResources[Any]
    services: Any
    disconnect: NotRequired[Callable[[str], None]]
    leave: NotRequired[Callable[[], None]]


GARBAGE_AFTER = 20_000
"""New objects until the garbage collector looks for cycles among them; some megabytes."""

ResourcesT = TypeVar("ResourcesT", bound=PlatformResources[Any])
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


def build_lifespan(
    open_resources: Callable[[], ResourcesT], build_services: Callable[[ResourcesT], object]
) -> Lifespan:
    """Return a lifespan that opens the resources, and builds the services from them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_resources() as resources:
            await resources.warn()
            await resources.warm_up(stopping.get())
            # the objects that exist now live until the process ends, so the garbage collector can skip them
            gc.collect()
            gc.freeze()
            # Python's own number, 700 or 2000, is soon reached with requests side by side: with 16 clients that was
            # 5 % of the work of a GET, and nothing was found
            gc.set_threshold(GARBAGE_AFTER)
            yield State(resources=resources, services=build_services(resources))

    return lifespan
