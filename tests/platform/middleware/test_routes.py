"""The label of a request's route, for every kind of route."""

import httpx2 as httpx
import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response


async def plain(_request: Request) -> Response:
    return Response()


async def test_every_kind_of_route_has_a_label(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.mount("/files", Starlette())
    app.add_route("/plain/{name}", plain)
    with structlog.testing.capture_logs() as logs:
        for path in ("/api/v1/users/me", "/files/any", "/files/other", "/plain/any", "/nothing/at/all"):
            await client.get(path)
    assert [log["route"] for log in logs] == ["/api/v1/users/me", "/files/*", "/files/*", "plain", "unmatched"]
