"""Log lines: JSON in production, text in development, local variables in neither."""

import json
import logging as stdlib
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog

from app.platform import context, logging
from app.platform.settings import Environment, LogSettings


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    logging.configure(LogSettings.model_construct(level="DEBUG"), Environment.PRODUCTION)


@pytest.fixture
def request_id() -> Iterator[str]:
    token = context.request_id.set("request-1")
    yield "request-1"
    context.request_id.reset(token)


def fail() -> None:
    password = "a secret"
    message = f"failed after {len(password)}"
    raise ValueError(message)


def test_production_logs_json_with_the_context(capfdbinary: pytest.CaptureFixture[bytes], request_id: str) -> None:
    logging.configure(LogSettings.model_construct(), Environment.PRODUCTION)
    user = uuid4()
    token = context.actor.set(context.Actor(user))
    structlog.get_logger().info("invoice_sent", invoice=7)
    context.actor.reset(token)
    stdlib.getLogger("library").warning("careful %s", "now")
    ours, theirs = (json.loads(line) for line in capfdbinary.readouterr().out.splitlines())
    assert ours["event"] == "invoice_sent"
    assert ours["invoice"] == 7
    assert ours["level"] == "info"
    assert ours["request_id"] == theirs["request_id"] == request_id
    assert ours["user_id"] == str(user)
    assert theirs["event"] == "careful now"
    assert theirs["logger"] == "library"
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize("environment", list(Environment))
def test_traceback_shows_no_local_variables(
    capfdbinary: pytest.CaptureFixture[bytes], environment: Environment
) -> None:
    logging.configure(LogSettings.model_construct(), environment)
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("ours")
        stdlib.getLogger("library").exception("theirs")
    output = capfdbinary.readouterr().out.decode()
    assert output.count("failed after 8") == 2
    # the traceback may show the source line with the password, but not the variable's value
    assert output.count("a secret") == 0 or output.count("password = ") == output.count("a secret")


def test_development_logs_text(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    logging.configure(LogSettings.model_construct(), Environment.DEVELOPMENT)
    structlog.get_logger().info("invoice_sent", invoice=7)
    line = capfdbinary.readouterr().out.decode()
    assert "invoice_sent" in line
    assert not line.startswith("{")


@pytest.mark.parametrize("environment", list(Environment))
def test_format_can_be_chosen(capfdbinary: pytest.CaptureFixture[bytes], environment: Environment) -> None:
    logging.configure(LogSettings.model_construct(json_lines=True, level="WARNING"), environment)
    structlog.get_logger().info("too quiet")
    structlog.get_logger().warning("loud")
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "loud"
