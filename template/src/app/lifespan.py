"""What the web process does before its first and after its last request."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI

from app.config import Settings
from app.resources import Resources, open_resources
from app.services import Services, build_services


class State(TypedDict):
    """What `request.state` holds."""

    resources: Resources
    services: Services


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


def build_lifespan(settings: Settings) -> Lifespan:
    """Open the resources with these settings, and build the services on them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_resources(settings) as resources:
            # what is there now stays until the end: the garbage collector need not look at it again and again
            gc.collect()
            gc.freeze()
            yield State(resources=resources, services=build_services(resources))

    return lifespan
