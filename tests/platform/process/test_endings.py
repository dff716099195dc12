"""A process ends in time, whatever keeps it from ending, and says what that was."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from app.platform import ending
from tests.support.server import PATIENCE, Server, environment, serving

ROOT = Path(__file__).parents[3]
STUBBORN = ("tests.platform.process.stubborn_api", "api")


def path_of_tests(url: str) -> str:
    return f"{environment(url)['PYTHONPATH']}:{ROOT}"


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def wait_for(server: Server, event: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while event not in server.log():
        assert time.monotonic() < deadline, f"waited in vain: {event}"
        time.sleep(0.02)


def test_resources_that_do_not_end_do_not_keep_the_process(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, command=STUBBORN, PYTHONPATH=path_of_tests(migrated_url)) as server:
        server.wait_until_ready()
        status, output = server.stop()
    assert status == 1
    said = [each for each in events(output) if each["level"] == "error"]
    closed, late = said
    assert (closed["event"], closed["resource"], closed["seconds"]) == ("resource_not_closed", "hanging", 0.2)
    assert late["event"] == "process_ended_late"
    assert "Stubborn.warm_up in sleep (tasks.py:" in str(late["tasks"])
    assert "forgotten in Thread.run (threading.py:" in str(late["threads"])


def test_nothing_ends_where_the_main_thread_goes_on() -> None:
    """Such as a test of an owner, which would end pytest."""

    async def end() -> None:
        ending.end_within(0.05)

    asyncio.run(end())
    time.sleep(0.2)


def test_start_that_hangs_ends_after_a_signal(tmp_path: Path, migrated_url: str) -> None:
    variables = {"PYTHONPATH": path_of_tests(migrated_url), "HANGS": "yes"}
    with serving(tmp_path, migrated_url, command=STUBBORN, **variables) as server:
        wait_for(server, "database_pool")
        status, output = server.stop()
    assert status == 1
    (late,) = [each for each in events(output) if each["level"] == "error"]
    assert late["event"] == "process_ended_late"
    assert "LifespanOn.main in " in str(late["tasks"])
