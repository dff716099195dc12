"""The order of the middleware, and its effect on responses and logs."""

from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from app.middleware import build_stack
from app.platform.http.lifespan import State
from app.platform.logging import add_context
from tests.support.client import client_of, problem, sign_up

ORIGIN = {"Origin": "https://shop.example"}
AROUND = {"x-request-id", "x-response-time", "access-control-allow-origin", "x-content-type-options"}


# Services and their proxies rely on this order, also where the tests below do not depend on it.
STACK = (
    "StartupMessageMiddleware",
    "RequestIdMiddleware",
    "CorsMiddleware",
    "TimingMiddleware",
    "AccessLogMiddleware",
    "SecurityHeadersMiddleware",
    "HeadMiddleware",
    "UnexpectedErrorMiddleware",
    "BodyLimitMiddleware",
    "AuthenticationMiddleware",
    "RateLimitMiddleware",
)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    update = {"cors_origins": ("https://shop.example",), "rate_limit": "4/minute", "max_body_bytes": 1024}
    app = create_app(replace(settings, http=settings.http.model_copy(update=update)))

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    return app


def test_order_is_unchanged(settings: Settings) -> None:
    names = [str(getattr(each.cls, "__name__", each.cls)) for each in build_stack(settings)]
    assert tuple(names[: len(STACK)]) == STACK


async def test_refused_request_has_everything_around_it_and_is_logged_with_its_user(
    client: httpx.AsyncClient,
) -> None:
    headers = await sign_up(client) | ORIGIN
    me = (await client.get("/api/v1/users/me", headers=headers)).json()
    for _ in range(3):
        await client.get("/api/v1/users/me", headers=headers)
    with structlog.testing.capture_logs(processors=[add_context]) as logs:
        answer = await client.get("/api/v1/users/me", headers=headers | {"X-Request-ID": "refused-1"})
    document = problem(answer, 429, "rate_limited")
    assert document["request_id"] == "refused-1"
    assert set(answer.headers) >= AROUND | {"retry-after", "x-ratelimit-limit", "x-ratelimit-reset"}
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    about_the_request = {name for name in answer.headers if name.startswith(("x-re", "x-ratelimit"))}
    assert len(about_the_request) == 5
    assert set(exposed) >= about_the_request | {"retry-after", "location", "idempotency-replayed"}
    (event,) = [log for log in logs if log["event"] == "request"]
    assert event["status"] == 429
    assert event["user_id"] == me["id"]


async def test_too_large_body_is_refused_before_authentication(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | ORIGIN
    with structlog.testing.capture_logs(processors=[add_context]) as logs:
        answer = await client.post("/api/v1/users", content=b"x" * 2000, headers=headers)
    problem(answer, 413, "content_too_large")
    assert set(answer.headers) >= AROUND
    assert "x-ratelimit-limit" not in answer.headers
    (event,) = [log for log in logs if log["event"] == "request"]
    assert "user_id" not in event


async def test_bug_has_everything_around_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/bug", headers=ORIGIN)
    problem(answer, 500, "internal_error")
    assert set(answer.headers) >= AROUND


@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"])
async def test_preflight_is_answered_by_the_cors_middleware(client: httpx.AsyncClient, method: str) -> None:
    preflight = ORIGIN | {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "idempotency-key"}
    for _ in range(6):
        answer = await client.options("/api/v1/users", headers=preflight)
        assert answer.status_code == 200
    assert "x-ratelimit-limit" not in answer.headers


async def test_refused_preflight_is_a_problem_with_the_headers_of_cors(client: httpx.AsyncClient) -> None:
    preflight = ORIGIN | {"Access-Control-Request-Method": "BREW"}
    with structlog.testing.capture_logs() as logs:
        answer = await client.options("/api/v1/users", headers=preflight)
    document = problem(answer, 400, "preflight_refused")
    assert document["detail"] == "Disallowed CORS method."
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert [log["event"] for log in logs] == ["preflight_refused"]


async def test_unknown_origin_is_told_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_invalid_token_is_limited_by_address(client: httpx.AsyncClient) -> None:
    codes = [
        (await client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {number}"})).status_code
        for number in range(5)
    ]
    assert codes == [401, 401, 401, 401, 429]


async def test_operations_are_not_limited(client: httpx.AsyncClient) -> None:
    codes = {(await client.get("/livez")).status_code for _ in range(8)}
    assert codes == {200}


async def test_users_behind_one_address_are_limited_each(app: FastAPI, state: State) -> None:
    async with client_of(app, state) as client:
        first = await sign_up(client)
        second = await sign_up(client)
        for headers in (first, second):
            answers = [await client.get("/api/v1/users/me", headers=headers) for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
