"""Start-up and shutdown of the web process, through the ASGI protocol."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.main import create_app
from app.platform.errors import StartupError
from app.platform.settings import ConfigError
from app.resources import Resources

Sent = list[Mapping[str, Any]]


async def live(settings: Settings, *, fail: bool) -> tuple[Sent, dict[str, Any]]:
    """Start and stop the application; return the messages it sent, and its state."""
    sent: Sent = []
    state: dict[str, Any] = {}
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(asked)}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    app = create_app(settings)
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    if fail:
        with pytest.raises((ConfigError, StartupError, ZeroDivisionError)):
            await app(scope, receive, send)
    else:
        await app(scope, receive, send)
    return sent, state


@pytest.mark.commits
async def test_resources_are_open_in_between(settings: Settings) -> None:
    sent, state = await live(settings, fail=False)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert set(state) == {"resources", "services"}
    with pytest.raises(RuntimeError, match="init"):
        _ = state["resources"].database.engine


@pytest.mark.commits
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://ada:hunter2@127.0.0.1:1/shop", "cannot connect to PostgreSQL at postgresql+"),
        ("mysql://ada:hunter2@127.0.0.1/shop", "DATABASE_URL: expected postgresql://"),
    ],
)
async def test_failed_start_says_why_in_one_line(settings: Settings, url: str, reason: str) -> None:
    wrong = settings.database.model_copy(update={"url": SecretStr(url)})
    (message,), _ = await live(replace(settings, database=wrong), fail=True)
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"].startswith(reason)
    assert "\n" not in message["message"]
    assert "hunter2" not in message["message"]


@pytest.mark.commits
async def test_bug_at_the_start_keeps_its_traceback(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_settings: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.platform.resources.PasswordHasher", bug)
    (message,), _ = await live(settings, fail=True)
    assert "ZeroDivisionError" in message["message"]
    assert "Traceback" in message["message"]


@pytest.mark.commits
async def test_redis_is_checked_when_there_is_one(settings: Settings, redis_url: str) -> None:
    process = settings.process.model_copy(update={"redis_url": SecretStr(redis_url)})
    async with Resources(replace(settings, process=process)) as resources:
        assert [(check.name, check.critical) for check in resources.checks] == [("postgresql", True), ("redis", False)]
        for check in resources.checks:
            await check.ping()
