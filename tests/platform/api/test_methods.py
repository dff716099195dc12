"""HEAD wherever there is GET, and methods that clients invent."""

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI

from tests.support.client import problem, sign_up


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/api/v1/users/me"])
async def test_head_is_get_without_body(client: httpx.AsyncClient, path: str) -> None:
    headers = await sign_up(client)
    got = await client.get(path, headers=headers)
    head = await client.head(path, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers.keys() == got.headers.keys()


async def test_head_of_failures_has_no_body(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    for path, status in (("/nothing", 404), ("/api/v1/users/me", 401), ("/api/v1/auth/token", 405), ("/bug", 500)):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_logged_and_counted_as_head(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.head("/api/v1/users/me")
    assert [(log["method"], log["route"], log["status"]) for log in logs] == [("HEAD", "/api/v1/users/me", 401)]
    assert 'method="HEAD",route="/api/v1/users/me",status="401"' in (await client.get("/metrics")).text


async def test_allow_names_head(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/v1/users")
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def test_allow_names_head_for_pages_outside_the_document(client: httpx.AsyncClient) -> None:
    answer = await client.put("/docs")
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_invented_methods_share_a_label(client: httpx.AsyncClient) -> None:
    for method in ("BREW", "WHEN", "PROPFIND"):
        assert (await client.request(method, "/api/v1/users/me")).status_code == 405
    text = (await client.get("/metrics")).text
    assert 'method="OTHER",route="/api/v1/users/me",status="405"' in text
    assert not any(method in text for method in ("BREW", "WHEN", "PROPFIND"))
