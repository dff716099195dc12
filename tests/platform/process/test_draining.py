"""A service that is stopped is drained first: nobody loses a request. With real processes, signals and sockets."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.platform.support.balancer import balancing
from tests.support.client import PASSWORD
from tests.support.server import PATIENCE, Server, serving

ME = "/api/v1/users/me"
PATIENT = "60"
"""Seconds of a drain that a test does not wait for."""


def sign_up(server: Server) -> dict[str, str]:
    email = f"{uuid4().hex}@example.com"
    assert server.client.post("/api/v1/users", json={"email": email, "password": PASSWORD}).status_code == 201
    pair = server.client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {pair['access_token']}"}


def begin_drain(server: Server) -> httpx.Response:
    """Send SIGTERM, and return the answer of `/readyz` once it is another one."""
    server.process.terminate()
    deadline = time.monotonic() + PATIENCE
    while (answer := server.client.get("/readyz")).status_code == 200:
        assert time.monotonic() < deadline, "the service does not begin to drain"
        time.sleep(0.02)
    return answer


def test_draining_service_answers_and_closes_connections(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, HTTP_DRAIN_SECONDS=PATIENT) as server:
        server.wait_until_ready()
        headers = sign_up(server)
        kept = httpx.Client(base_url=server.client.base_url)
        assert "connection" not in kept.get(ME, headers=headers).headers
        not_ready = begin_drain(server)
        assert (not_ready.status_code, not_ready.headers["connection"]) == (503, "close")
        assert not_ready.json() == {"status": "draining", "checks": {}}
        # on a connection that was open, and on new ones
        for _ in range(3):
            answer = kept.get(ME, headers=headers)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert kept.get("/livez").status_code == 200
        began = time.monotonic()
        status, output = server.stop()
        assert status == 0
        assert time.monotonic() - began < 10
    events = [json.loads(line) for line in output.splitlines()]
    (draining,) = [event for event in events if event["event"] == "draining"]
    assert (draining["seconds"], draining["level"]) == (60, "info")
    assert "Application shutdown complete." in {event["event"] for event in events}


@pytest.mark.commits
async def test_restarts_behind_a_balancer_lose_nothing(tmp_path: Path, migrated_url: str) -> None:
    variables = {"HTTP_DRAIN_SECONDS": "1.2", "HTTP_RATE_LIMIT": "100000/minute"}
    running = [ExitStack(), ExitStack()]
    async with AsyncExitStack() as stack:
        for each in running:
            stack.callback(each.close)
        servers = [each.enter_context(serving(tmp_path, migrated_url, **variables)) for each in running]
        for server in servers:
            await asyncio.to_thread(server.wait_until_ready)
        token = sign_up(servers[0])["Authorization"]
        ports = [server.client.base_url.port or 0 for server in servers]
        balancers = [
            await stack.enter_async_context(
                balancing(ports, ME, f"Authorization: {token}", clients=2, keep_alive=keep_alive, interval=0.5)
            )
            for keep_alive in (True, False)
        ]
        for number, port in enumerate(ports):
            status, _ = await asyncio.to_thread(servers[number].stop)
            assert status == 0
            running[number].close()
            again = serving(tmp_path, migrated_url, HTTP_PORT=str(port), **variables)
            servers[number] = running[number].enter_context(again)
            for balancer in balancers:
                async with asyncio.timeout(PATIENCE):
                    await balancer.until_ready(2)
        for balancer in balancers:
            assert balancer.lost == []
            assert balancer.answered > 50
