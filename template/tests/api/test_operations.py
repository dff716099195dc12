"""The routes for orchestrators and monitoring."""

import httpx2 as httpx

from tests.support.client import sign_up


async def test_alive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["checks"]["postgresql"] == {"status": "ok", "critical": True}


async def test_metrics_count_requests_by_route_template(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    me = (await client.get("/api/v1/users/me", headers=headers)).json()
    await client.get(f"/api/v1/users/{me['id']}", headers=headers)
    await client.get("/nothing/here")
    text = (await client.get("/metrics")).text
    assert 'http_request_duration_seconds_count{method="GET",route="/api/v1/users/{user_id}",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert me["id"] not in text
    assert "db_pool_checked_out" in text
