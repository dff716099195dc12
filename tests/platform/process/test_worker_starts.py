"""Several workers: a start that fails ends, a replacement that cannot start is tried again, and all are drained."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.platform.process.test_workers import until
from tests.support.databases import execute
from tests.support.server import Server, serving

TWO = {"HTTP_WORKERS": "2"}
NEW_CONNECTION = {"Connection": "close"}


def events(server: Server, name: str) -> list[dict[str, Any]]:
    found = (json.loads(line) for line in server.log().splitlines() if line.startswith("{"))
    return [event for event in found if event["event"] == name]


def pids(server: Server) -> list[int]:
    """Return the processes that have begun to serve, in this order."""
    started = (json.loads(line)["event"] for line in server.log().splitlines() if '"Started server process' in line)
    return [int(event.partition("[")[2].rstrip("]")) for event in started]


def test_failed_start_ends_all_workers_with_a_failure(tmp_path: Path, empty_url: str) -> None:
    with serving(tmp_path, empty_url, **TWO) as server:
        status, output = server.ended()
        (failed,) = events(server, "workers_not_started")
    assert status == 3
    assert "run `python -m app migrate`" in output
    assert (failed["level"], failed["status"]) == ("error", 3)
    assert "Traceback" not in output


def test_dead_worker_is_replaced_once_that_is_possible_and_all_are_drained(tmp_path: Path, migrated_url: str) -> None:
    schema = "ALTER TABLE {} RENAME TO {}".format
    with serving(tmp_path, migrated_url, HTTP_DRAIN_SECONDS="60", **TWO) as server:
        until(lambda: server.log().count("Application startup complete.") == 2, "both workers serve")
        server.wait_until_ready()
        killed, living = pids(server)
        # a new worker would find no migrations
        asyncio.run(execute(migrated_url, schema("alembic_version", "hidden")))
        os.kill(killed, signal.SIGKILL)
        until(lambda: bool(events(server, "worker_not_started")), "a replacement cannot start")
        (failed,) = events(server, "worker_not_started")
        assert (failed["status"], failed["again_in"], failed["level"]) == (3, 1, "error")
        assert [event["worker"] for event in events(server, "worker_ended")] == [killed]
        assert server.client.get("/livez").status_code == 200
        asyncio.run(execute(migrated_url, schema("hidden", "alembic_version")))
        until(lambda: server.log().count("Application startup complete.") == 3, "the worker is replaced")
        assert living in pids(server)

        # systemd sends it to the whole group, and the parent passes it on: one drain all the same
        os.killpg(server.process.pid, signal.SIGTERM)
        until(lambda: all(is_draining(server) for _ in range(10)), "both workers drain")
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert len(events(server, "draining")) == 2


def is_draining(server: Server) -> bool:
    answer = server.client.get("/readyz", headers=NEW_CONNECTION)
    return (answer.status_code, answer.headers["connection"]) == (503, "close")
