"""The service as a process: it starts, answers and stops, or says in one line why it cannot start."""

import json
from pathlib import Path
from uuid import uuid4

from tests.support.client import PASSWORD
from tests.support.server import serving


def test_the_service_starts_answers_and_stops(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url) as server:
        server.wait_until_ready()
        email = f"{uuid4().hex}@example.com"
        created = server.client.post("/api/v1/users", json={"email": email, "password": PASSWORD})
        assert created.status_code == 201
        pair = server.client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD}).json()
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert server.client.get("/api/v1/users/me", headers=headers).json()["email"] == email
        status, output = server.stop()
    assert status == 0
    events = [json.loads(line) for line in output.splitlines()]
    assert {"database_pool", "Application shutdown complete."} <= {event["event"] for event in events}
    assert {event["level"] for event in events} <= {"info", "debug"}


def test_a_schema_that_is_behind_is_one_clear_line(tmp_path: Path, empty_url: str) -> None:
    with serving(tmp_path, empty_url) as server:
        status, output = server.ended()
    assert status != 0
    assert "run `python -m app migrate`" in output
    assert "Traceback" not in output
