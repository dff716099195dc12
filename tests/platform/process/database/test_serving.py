"""The running service: how it starts, stops, and survives the loss of its database."""

import asyncio
import json
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.platform import ports
from app.platform.db.session import Database
from app.platform.errors import StartupError
from dev import services as servers
from tests.support.client import PASSWORD
from tests.support.databases import execute, migrate
from tests.support.server import PATIENCE, Server, serving

ME = "/api/v1/users/me"
CHANGE = {"full_name": "Ada"}


def sign_up(server: Server) -> dict[str, str]:
    email = f"{uuid4().hex}@example.com"
    assert server.client.post("/api/v1/users", json={"email": email, "password": PASSWORD}).status_code == 201
    pair = server.client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {pair['access_token']}"}


@pytest.mark.commits
async def test_sigterm_lets_requests_in_flight_finish(tmp_path: Path, migrated_url: str, database: Database) -> None:
    with serving(tmp_path, migrated_url) as server, ThreadPoolExecutor(1) as threads:
        server.wait_until_ready()
        headers = sign_up(server)
        async with database.transaction() as session:
            await session.execute(text("SELECT * FROM users FOR UPDATE"))
            changing = threads.submit(server.client.patch, ME, json=CHANGE, headers=headers)
            waiting = text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            async with asyncio.timeout(PATIENCE):
                while not await session.scalar(waiting):
                    await session.execute(text("SELECT pg_sleep(0.02)"))
            server.process.terminate()
            await asyncio.sleep(0.3)
            assert not changing.done()
        answer = changing.result()
        assert (answer.status_code, answer.json()["full_name"]) == (200, "Ada")
        status, output = server.ended()
        assert status == 0
    events = [json.loads(line) for line in output.splitlines()]
    (pool,) = [event for event in events if event["event"] == "database_pool"]
    assert pool["level"] == "info"
    assert "Application shutdown complete." in {event["event"] for event in events}


def test_service_survives_the_loss_of_its_database(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        # not below tmp_path, which only its owner may enter: as root, PostgreSQL runs as another user
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dev-lost-"))) / "data"
        data.parent.chmod(0o755)
        running = stack.enter_context(ExitStack())
        url = running.enter_context(servers.postgres(data, port=port))
        migrate(url)
        server = stack.enter_context(serving(tmp_path, url, DB_POOL_PRE_PING="false"))
        server.wait_until_ready()
        headers = sign_up(server)
        assert server.client.patch(ME, json=CHANGE, headers=headers).status_code == 200

        running.close()
        for _ in range(3):
            for method in ("GET", "PATCH"):
                body = CHANGE if method == "PATCH" else None
                answer = server.client.request(method, ME, json=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
                assert int(answer.headers["retry-after"]) > 0
        ready = server.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        assert server.client.get("/livez").status_code == 200

        running.enter_context(servers.postgres(data, port=port))
        server.wait_until_ready()
        assert server.client.get(ME, headers=headers).json()["full_name"] == "Ada"
        assert server.stop()[0] == 0


def test_connections_lost_under_load_are_no_other_errors_and_reads_are_repeated(
    tmp_path: Path, migrated_url: str
) -> None:
    with serving(tmp_path, migrated_url, HTTP_RATE_LIMIT="100000/minute") as server:
        server.wait_until_ready()
        headers = sign_up(server)
        codes: list[int] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                codes.append(server.client.get(ME, headers=headers).status_code)

        with ThreadPoolExecutor(4) as threads:
            loads = [threads.submit(load) for _ in range(4)]
            for _ in range(100):
                time.sleep(0.1)
                cut_connections(migrated_url)
                if repeated(server):
                    break
            stop.set()
            for each in loads:
                each.result()
        assert set(codes) <= {200, 503}
        assert codes.count(200) > codes.count(503)
        assert repeated(server)
        # the service may not have noticed the last lost connection yet
        server.wait_until_ready()
        assert server.client.get(ME, headers=headers).status_code == 200


def repeated(server: Server) -> bool:
    return 'db_retries_total{cause="connection_lost"}' in server.client.get("/metrics").text


def cut_connections(url: str) -> None:
    asyncio.run(
        execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
    )


def test_failed_start_is_one_clear_line(tmp_path: Path, empty_url: str) -> None:
    with serving(tmp_path, empty_url) as server:
        status, output = server.ended()
        assert status != 0
    errors = [json.loads(line) for line in output.splitlines() if '"level":"error"' in line]
    assert len(errors) == 2
    assert errors[0]["event"].endswith("run `python -m app migrate`")
    assert errors[1]["event"] == "Application startup failed. Exiting."
    assert "Traceback" not in output


# a machine without IPv6 has no such address
ALL = ("::",) if socket.has_dualstack_ipv6() else ()


@pytest.mark.parametrize(("workers", "host"), [("1", "127.0.0.1"), ("2", "127.0.0.1"), *(("2", each) for each in ALL)])
def test_port_in_use_is_one_clear_line(tmp_path: Path, migrated_url: str, workers: str, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serving(tmp_path, migrated_url, HTTP_HOST=host, HTTP_PORT=port, HTTP_WORKERS=workers) as server:
            status, output = server.ended()
    assert status == 1
    assert output == f"python -m app: cannot listen on {host}:{port}: Address already in use (HTTP_HOST, HTTP_PORT)\n"


def test_address_with_a_zone_is_for_one_worker(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, HTTP_HOST="fe80::1%lo", HTTP_WORKERS="2") as server:
        status, output = server.ended()
    assert status == 1
    assert output.startswith("python -m app: cannot listen on fe80::1%lo: several workers, ")


def test_address_to_listen_on_is_one_of_this_machine() -> None:
    for free in ("127.0.0.1", "localhost", "0.0.0.0"):  # noqa: S104
        ports.require_free(free, 0, "X_HOST")
    for host in ('"127.0.0.1"', "256.1.1.1", "192.0.2.7"):
        with pytest.raises(StartupError, match=rf"^cannot listen on {host}:0: [A-Z][a-z ]+ \(X_HOST\)$"):
            ports.require_free(host, 0, "X_HOST")
