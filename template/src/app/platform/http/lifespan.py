"""What the web process does before its first and after its last request."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypedDict, TypeVar

from fastapi import FastAPI

from app.platform.resources import PlatformResources


class State(TypedDict):
    """What `request.state` holds."""

    resources: PlatformResources[Any]
    services: Any


ResourcesT = TypeVar("ResourcesT", bound=PlatformResources[Any])
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


def build_lifespan(
    open_resources: Callable[[], ResourcesT], build_services: Callable[[ResourcesT], object]
) -> Lifespan:
    """Open the resources, and build the services on them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_resources() as resources:
            # what exists now stays until the end: the garbage collector need not look at it again and again
            gc.collect()
            gc.freeze()
            yield State(resources=resources, services=build_services(resources))

    return lifespan
