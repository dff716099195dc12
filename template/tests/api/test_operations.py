"""What orchestrators and monitoring ask for."""

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from app.lifespan import State
from app.resources import Check
from tests.support.client import client_of, sign_up


async def refuse() -> None:
    message = "no"
    raise ConnectionError(message)


async def hang() -> None:
    await asyncio.sleep(60)


async def test_alive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"postgresql": {"status": "ok", "critical": True}}}


@pytest.mark.parametrize(("critical", "status", "word"), [(True, 503, "not_ready"), (False, 200, "ready")])
async def test_failed_check_counts_when_it_is_critical(
    app: FastAPI, state: State, critical: bool, status: int, word: str
) -> None:
    checks = (*state["resources"].checks, Check("broker", refuse, critical=critical))
    changed = replace(state["resources"], checks=checks)
    async with client_of(app, {**state, "resources": changed}) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (status, word)
    assert answer.json()["checks"]["broker"] == {"status": "failed", "critical": critical}
    assert answer.json()["checks"]["postgresql"]["status"] == "ok"


async def test_check_that_hangs_has_failed(app: FastAPI, state: State) -> None:
    settings = state["resources"].settings
    impatient = replace(settings, http=settings.http.model_copy(update={"readiness_timeout": 0.05}))
    checks = (Check("one", hang), Check("other", hang))
    changed = replace(state["resources"], checks=checks, settings=impatient)
    async with asyncio.timeout(5), client_of(app, {**state, "resources": changed}) as client:
        answer = await client.get("/readyz")
    assert {check["status"] for check in answer.json()["checks"].values()} == {"failed"}


async def test_metrics_count_requests_by_route_template(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    me = (await client.get("/api/v1/users/me", headers=headers)).json()
    await client.get(f"/api/v1/users/{me['id']}", headers=headers)
    await client.get("/nothing/here")
    text = (await client.get("/metrics")).text
    assert 'http_request_duration_seconds_count{method="GET",route="/api/v1/users/{user_id}",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert me["id"] not in text
    assert "db_pool_connections" in text
