"""Below a prefix, of a proxy or of a mount, the same limits hold and the same requests are left out of them."""

from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from app.config import Settings
from app.main import create_app
from app.platform.http.lifespan import State
from app.platform.http.limits import path_of
from tests.support.client import PASSWORD, client_of, problem

HOPELESS = {"username": "nobody@example.com", "password": "a guess"}


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    update = {"rate_limit": "3/hour", "login_rate_limit": "2/hour", "max_body_bytes": 1024}
    app = create_app(replace(settings, http=settings.http.model_copy(update=update)))

    @app.get("/api/v1/slashed")
    async def slashed() -> None: ...

    return app


@pytest.fixture(params=["proxy", "mount"])
def prefixed(request: pytest.FixtureRequest, app: FastAPI) -> FastAPI:
    """Return the application below /shop."""
    if request.param == "mount":
        outer: FastAPI = Starlette(routes=[Mount("/shop", app)])  # type: ignore[assignment]
        return outer
    # as with uvicorn, the path has the prefix
    app.root_path = "/shop"
    return app


async def test_limits_hold_below_a_prefix(prefixed: FastAPI, state: State) -> None:
    with structlog.testing.capture_logs() as logs:
        async with client_of(prefixed, state) as client:
            for path in ("/shop/livez", "/shop/readyz", "/shop/metrics"):
                assert [(await client.get(path)).status_code for _ in range(5)] == [200] * 5
            assert [event for event in logs if event["event"] == "request"] == []
            for status in (401, 401, 429):
                answer = await client.post("/shop/api/v1/auth/token", data=HOPELESS)
                assert answer.status_code == status
            large = await client.post("/shop/api/v1/auth/token", content=b"x" * 2000)
            problem(large, 413, "content_too_large")
            asked = [await client.get("/shop/api/v1/users/me") for _ in range(4)]
    assert [answer.status_code for answer in asked] == [401, 401, 401, 429]
    routes = [event["route"] for event in logs if event["event"] == "request"]
    assert routes[0] == "/api/v1/auth/token"


async def test_locations_have_the_prefix(prefixed: FastAPI, state: State) -> None:
    async with client_of(prefixed, state) as client:
        redirected = await client.get("/shop/api/v1/slashed/")
        created = await client.post("/shop/api/v1/users", json={"email": "ada@example.com", "password": PASSWORD})
    assert redirected.status_code == 307
    assert httpx.URL(redirected.headers["location"]).path == "/shop/api/v1/slashed"
    assert created.headers["location"] == f"/shop/api/v1/users/{created.json()['id']}"


async def test_sign_in_of_the_documentation_has_the_prefix(settings: Settings, state: State) -> None:
    app = create_app(settings)
    app.root_path = "/shop"
    async with client_of(app, state) as client:
        schemes = (await client.get("/shop/openapi.json")).json()["components"]["securitySchemes"]
    assert [flow["tokenUrl"] for each in schemes.values() for flow in each["flows"].values()] == [
        "/shop/api/v1/auth/token"
    ]
    assert "/shop" not in str(app.openapi())


@pytest.mark.parametrize(
    ("path", "prefix", "rest"),
    [
        ("/livez", "", "/livez"),
        ("/shop/livez", "/shop", "/livez"),
        ("/shop", "/shop", ""),
        ("/shopping/livez", "/shop", "/shopping/livez"),
        ("/livez", "/shop", "/livez"),
    ],
)
def test_path_without_prefix(path: str, prefix: str, rest: str) -> None:
    assert path_of({"path": path, "root_path": prefix}) == rest
