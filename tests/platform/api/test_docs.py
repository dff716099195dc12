"""The documentation pages: without other servers, with a policy of their own, and switched by `HTTP_DOCS`."""

import base64
import hashlib
import re
from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog

from app.config import Settings
from app.main import create_app
from app.platform.http.lifespan import State
from app.platform.settings import Environment
from tests.support.client import client_of, problem

PAGES = ("/docs", "/redoc", "/docs/oauth2-redirect")


@pytest.mark.parametrize("page", PAGES)
async def test_pages_load_files_of_this_service_only(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(page)
    assert answer.status_code == 200
    loaded = re.findall(r"""(?:src|href|spec-url)=["']([^"']+)|url: ["']([^"']+)""", answer.text)
    urls = [first or second for first, second in loaded]
    assert bool(urls) == (page != "/docs/oauth2-redirect")
    for url in urls:
        assert url.startswith("/")
        assert (await client.get(url)).status_code == 200


@pytest.mark.parametrize("page", PAGES)
async def test_policy_allows_the_scripts_of_the_page(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(page)
    (policy,) = answer.headers.get_list("content-security-policy")
    (allowed,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in allowed
    for script in re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in allowed
    assert "onload=" not in answer.text
    assert "frame-ancestors 'none'" in policy


async def test_pages_have_labels_of_their_own(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        for path in (*PAGES, "/openapi.json", "/docs/assets/swagger-ui.css", "/nothing"):
            await client.get(path)
    assert [log["route"] for log in logs] == [*PAGES, "/openapi.json", "/docs/assets/{name}", "unmatched"]


@pytest.mark.parametrize(
    ("environment", "docs", "status"),
    [
        (Environment.DEVELOPMENT, None, 200),
        (Environment.DEVELOPMENT, False, 404),
        (Environment.PRODUCTION, None, 404),
        (Environment.PRODUCTION, True, 200),
    ],
)
async def test_switch(settings: Settings, state: State, environment: Environment, *, docs: bool, status: int) -> None:
    process = settings.process.model_copy(update={"environment": environment})
    http = settings.http.model_copy(update={"docs": docs})
    async with client_of(create_app(replace(settings, process=process, http=http)), state) as client:
        for path in (*PAGES, "/openapi.json", "/docs/assets/swagger-ui.css"):
            answer = await client.get(path)
            if status == 404:
                problem(answer, 404, "not_found")
            assert answer.status_code == status


async def test_prefix_of_a_proxy_is_part_of_all_links(settings: Settings, state: State) -> None:
    app = create_app(settings)
    app.root_path = "/shop"
    async with client_of(app, state) as client:
        assert 'src="/shop/docs/assets/swagger-ui-bundle.js"' in (await client.get("/docs")).text
        assert (await client.get("/openapi.json")).json()["servers"] == [{"url": "/shop"}]
        assert (await client.get("/docs/assets/swagger-ui.css")).status_code == 200
