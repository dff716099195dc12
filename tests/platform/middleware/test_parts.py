"""Each middleware by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from app.config import Settings
from app.main import create_app
from app.platform.http.errors import TooLarge
from app.platform.http.lifespan import State
from app.platform.http.limits import MarkedRoutes, large_body
from app.platform.http.middleware.body_limit import BodyLimitMiddleware
from app.platform.settings import HttpSettings
from tests.support.client import client_of, problem, sign_up


@pytest.mark.parametrize("given", ["0123456789abcdef", "a-b.c_d-1234", "8" * 128])
async def test_well_formed_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["short", "x" * 129, "with space in it", "line%0abreak1", "<script>alert</script>"])
async def test_malformed_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_every_request_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    assert len({(await client.get("/livez")).headers["x-request-id"] for _ in range(3)}) == 3


async def test_access_log_has_neither_query_string_nor_headers(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    with structlog.testing.capture_logs() as logs:
        await client.get("/api/v1/users/me", params={"colour": "green"}, headers=headers)
    (event,) = logs
    assert {name: event[name] for name in ("event", "method", "route", "status", "log_level", "client")} == {
        "event": "request",
        "method": "GET",
        "route": "/api/v1/users/me",
        "status": 200,
        "log_level": "info",
        "client": "127.0.0.1",
    }
    assert event["duration_ms"] > 0
    assert headers["Authorization"] not in str(event)
    assert "green" not in str(event)


async def test_operations_are_not_logged(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/livez")
    assert logs == []


async def test_api_answers_forbid_everything(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "no-store" in answer.headers["cache-control"]
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


async def test_body_of_unknown_length_is_cut_off(settings: Settings, state: State) -> None:
    small = replace(settings, http=settings.http.model_copy(update={"max_body_bytes": 1024}))
    async with client_of(create_app(small), state) as client:

        async def endless() -> AsyncIterator[bytes]:
            yield b'{"email": "'
            for _ in range(100):
                yield b"a" * 100

        headers = {"Content-Type": "application/json"}
        answer = await client.post("/api/v1/users", content=endless(), headers=headers)
    problem(answer, 413, "content_too_large")


async def test_marked_route_has_a_body_limit_of_its_own() -> None:
    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await Response(str(len(body)))(scope, receive, send)

    router = APIRouter()

    @router.post("/upload/{name}")
    @large_body
    async def upload(name: str) -> None: ...

    large = MarkedRoutes.with_large_body([router])
    limits = HttpSettings.model_construct(max_body_bytes=10, max_import_bytes=20)
    limited = BodyLimitMiddleware(count, settings=limits, large=large)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="http://service/api/v1") as client:
        assert (await client.post("/upload/it", content=b"x" * 20)).text == "20"
        for path, size in (("/upload/it", 21), ("/elsewhere", 11)):
            with pytest.raises(TooLarge):
                await client.post(path, content=b"x" * size)


REGISTRATION = {"email": "ada@example.com", "password": "correct horse"}


async def test_routes_with_passwords_have_a_stricter_limit(settings: Settings, state: State) -> None:
    strict = replace(settings, http=settings.http.model_copy(update={"login_rate_limit": "3/minute"}))
    async with client_of(create_app(strict), state) as client:
        form = {"username": "nobody@example.com", "password": "wrong password"}
        codes = [(await client.post("/api/v1/auth/token", data=form)).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]
        codes = [(await client.post("/api/v1/users", json=REGISTRATION)).status_code for _ in range(4)]
        assert codes == [201, 409, 409, 429]
        assert (await client.get("/api/v1/users/me")).status_code == 401
        # another method of the same path
        assert (await client.get("/api/v1/users")).status_code == 401
