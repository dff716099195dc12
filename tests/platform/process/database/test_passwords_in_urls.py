"""A start that fails shows no part of the passwords in the URLs of servers, whatever the URLs look like."""

from pathlib import Path

import pytest

from tests.support.server import run_command

URL = "postgresql://ada:wrong@127.0.0.1:1/shop"


@pytest.mark.parametrize("command", ["api", "migrate"])
@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "postgresql://ada:p@hunter2?s@db.example/shop"},
        {"DATABASE_URL": "hunter2://ada@db.example/shop"},
        {"DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/shop"},
        {"REDIS_URL": "redis://:hunter2/s@127.0.0.1:1/0"},
        {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"},
    ],
)
def test_start_that_fails_shows_no_password(tmp_path: Path, command: str, variables: dict[str, str]) -> None:
    given = {"LOG_LEVEL": "DEBUG", "DB_CONNECT_TIMEOUT": "1", **variables}
    status, printed, errors = run_command(tmp_path, URL, command, **given)
    assert status != 0
    assert "hunter2" not in printed + errors
    assert "Traceback" not in printed + errors
