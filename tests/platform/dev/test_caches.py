"""A service with its caches on gets a Redis: beside `make run` and the other commands, and in the load test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from dev import env_file, services
from dev.load import target
from dev.load.target import Target, started
from tests.platform.dev.project import Project, exchange

SHOW = ("run", "sh", "-c", 'echo "$REDIS_URL"')
GIVEN = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": ""}


@pytest.mark.parametrize(("place", "on"), [("environment", "true"), ("environment", "false"), (".env", "On")])
def test_redis_runs_beside_a_command_if_the_caches_are_on(project: Project, place: str, on: str) -> None:
    if place == ".env":
        (project.root / ".env").write_text(f"CACHE_ENABLED={on}\n")
    variables = GIVEN | ({"CACHE_ENABLED": on} if place == "environment" else {})
    status, url, _ = project.run(*SHOW, **variables)
    assert (status, url.strip().startswith("redis://127.0.0.1:")) == (0, on != "false")
    assert project.run(*SHOW, **variables | {"REDIS_URL": "redis://own"})[1] == "redis://own\n"


@pytest.mark.parametrize("place", ["file", "shell", "table"])
def test_load_test_has_a_redis_for_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    @contextmanager
    def serving(_directory: Path, environment: dict[str, str], *_: object) -> Iterator[Target]:
        yield Target(exchange(environment["REDIS_URL"], b"PING\r\n").decode(), environment)

    on = {"CACHE_ENABLED": "true", "REDIS_URL": "redis://real"}
    given: dict[str, Mapping[str, str]] = {each: on if each == place else {} for each in ("file", "shell", "table")}
    monkeypatch.setattr(target, "_serving", serving)
    monkeypatch.setattr(env_file, "variables", lambda: given["file"])
    monkeypatch.setattr(services, "postgres", lambda _: nullcontext(GIVEN["DATABASE_URL"]))
    monkeypatch.delenv("REDIS_URL", raising=False)
    for name, value in given["shell"].items():
        monkeypatch.setenv(name, value)
    with started(tmp_path, given["table"]) as service:
        assert service.url == "+PONG\r\n"
        assert service.settings["CACHE_ENABLED"] == "true"
