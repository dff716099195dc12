"""`@large_body` and `@strict_rate_limit`: the marked routes are found, wherever their router is included."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from app.platform.http.limits import MarkedRoutes, large_body, strict_rate_limit
from app.routes import ROUTERS


def request(method: str, path: str, root_path: str = "") -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": root_path}


@pytest.fixture
def routers() -> tuple[APIRouter, APIRouter]:
    """Return a router with marked routes, and a router that includes it, as does the second router of a service."""
    inner, outer = APIRouter(prefix="/files"), APIRouter(prefix="/projects")

    @inner.post("/large/{name}")
    @large_body
    async def upload(name: str) -> None: ...

    @inner.put("/password")
    @strict_rate_limit
    async def change_password() -> None: ...

    outer.include_router(inner, prefix="/all")
    return inner, outer


@pytest.mark.parametrize(("number", "prefix"), [(0, "/api/v1/files"), (1, "/api/v1/projects/all/files")])
def test_marked_routes_are_found_by_method_and_path(
    routers: tuple[APIRouter, APIRouter], number: int, prefix: str
) -> None:
    large = MarkedRoutes.with_large_body([APIRouter(), routers[number]])
    strict = MarkedRoutes.with_strict_rate_limit([routers[number]])
    assert large.find(request("POST", f"{prefix}/large/any")) == f"{prefix}/large/{{name}}"
    assert strict.find(request("PUT", f"{prefix}/password")) == f"{prefix}/password"
    assert large.find(request("POST", f"{prefix}/large/any/more")) is None
    assert large.find(request("GET", f"{prefix}/large/any")) is None
    assert large.find(request("PUT", f"{prefix}/password")) is None


def test_marked_route_is_not_found_when_another_one_handles_the_request() -> None:
    router = APIRouter(prefix="/files")

    @router.post("/summary")
    async def summarize() -> None: ...

    @router.post("/{name}")
    @large_body
    async def upload(name: str) -> None: ...

    large = MarkedRoutes.with_large_body([router])
    assert large.find(request("POST", "/api/v1/files/summary")) is None
    assert large.find(request("POST", "/api/v1/files/other")) == "/api/v1/files/{name}"


def test_prefix_of_a_proxy_does_not_hide_a_marked_route(routers: tuple[APIRouter, APIRouter]) -> None:
    strict = MarkedRoutes.with_strict_rate_limit(routers)
    for path in ("/api/v1/files/password", "/shop/api/v1/files/password"):
        assert strict.find(request("PUT", path, root_path="/shop")) == "/api/v1/files/password"


def test_every_route_that_is_sent_a_password_has_the_strict_limit(app: FastAPI) -> None:
    document = app.openapi()
    strict = MarkedRoutes.with_strict_rate_limit(ROUTERS)
    sent = [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if any("password" in name for name in fields(document, operation))
    ]
    assert ("PUT", "/api/v1/users/me/password") in sent
    assert ("POST", "/api/v1/users") in sent
    assert ("POST", "/api/v1/auth/token") in sent
    assert [each for each in sent if strict.find(request(*each)) is None] == []


def fields(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """Return the names of the fields of an operation's bodies."""
    names: set[str] = set()
    for content in operation.get("requestBody", {}).get("content", {}).values():
        reference = content["schema"].get("$ref", "")
        names |= document["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {}).keys()
    return names
