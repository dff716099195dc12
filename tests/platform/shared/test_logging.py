"""Log lines: JSON in production, text in development, local variables in neither."""

import asyncio
import json
import logging as stdlib
from collections.abc import Iterator
from uuid import uuid4

import httpx2 as httpx
import pytest
import structlog
import urllib3

from app.platform import context, logging
from app.platform.http_client import HttpClient
from app.platform.settings import Environment, LogSettings
from tests.support.receivers import receiving


@pytest.fixture
def request_id() -> Iterator[str]:
    token = context.request_id.set("request-1")
    yield "request-1"
    context.request_id.reset(token)


@pytest.mark.parametrize("level", ["CRITICAL", "ERROR"])
def test_configuration_of_a_test_is_none_of_the_next(level: str) -> None:
    with structlog.testing.capture_logs() as logs:
        structlog.get_logger().debug("heard")
    assert logs == [{"event": "heard", "log_level": "debug"}]
    logging.configure(LogSettings.model_construct(level=level), Environment.PRODUCTION)


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


def test_urls_of_calls_are_not_logged(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Their query strings may hold secrets."""
    logging.configure(LogSettings.model_construct(), Environment.PRODUCTION)
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        client.get("http://service/?token=hunter2")
    assert b"hunter2" not in capfdbinary.readouterr().out


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


async def test_no_http_library_logs_the_query_of_a_url(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Such a query may hold a key of another service. An owner may call with any of these libraries."""
    logging.configure(LogSettings.model_construct(level="DEBUG"), Environment.PRODUCTION)
    client, secret = HttpClient(), "?key=hunter2"
    async with receiving(200, 200) as receiver, httpx.AsyncClient() as other:
        await client.get(f"{receiver.url}{secret}")
        await other.get(f"{receiver.url}{secret}")
    assert [each.query for each in receiver.received] == [{"key": "hunter2"}] * 2
    await client.close()
    with urllib3.PoolManager(retries=urllib3.Retry(1)) as pool, pytest.raises(urllib3.exceptions.MaxRetryError):
        pool.request("GET", f"http://127.0.0.1:1/{secret}")
    async with receiving(302, 204) as redirecting:
        await asyncio.to_thread(urllib3.PoolManager().request, "GET", f"{redirecting.url}{secret}")
    assert len(redirecting.received) == 2
    # requests and httpx are not installed
    stdlib.getLogger("httpx").info("HTTP Request: GET http://127.0.0.1/%s", secret)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    # of the other service
    served = [line for line in lines if line["logger"] == "aiohttp.access"]
    assert "hunter2" in served[0]["event"]
    assert [line for line in lines if line not in served] == []
