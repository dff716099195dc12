"""What routes of tests have: a dependency that refuses everybody, and a handler that is not FastAPI's own."""

from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse, Response


async def no_entry() -> None:
    raise HTTPException(403, "No entry.")


class Shouting(APIRoute):
    """A route whose handler is not FastAPI's own."""

    def get_route_handler(self) -> Any:
        handle = super().get_route_handler()

        async def shout(request: Request) -> Response:
            response = await handle(request)
            return PlainTextResponse(bytes(response.body).decode().upper(), response.status_code)

        return shout
