"""The client's address in the running service: real connections, with headers that clients forge."""

from pathlib import Path

from tests.platform.support.disconnects import requests_and_warnings
from tests.support.server import Server, serving

SIGN_IN = "/api/v1/auth/token"
STRICT = {"HTTP_LOGIN_RATE_LIMIT": "3/hour"}


def guess(server: Server, forwarded_for: str) -> int:
    """Sign in with a wrong password and this X-Forwarded-For header; return the status."""
    form = {"username": "ada@example.com", "password": "a guess"}
    return server.client.post(SIGN_IN, data=form, headers={"X-Forwarded-For": forwarded_for}).status_code


def test_forged_entries_do_not_evade_the_sign_in_limit(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, **STRICT) as server:
        server.wait_until_ready()
        assert [guess(server, f"198.51.100.{number}, 192.0.2.1") for number in range(4)] == [401, 401, 401, 429]
        # other spellings of an address, and other addresses of a network, count as the same client
        assert guess(server, "::ffff:192.0.2.1") == 429
        assert [guess(server, f"2001:db8::{number}") for number in range(1, 5)] == [401, 401, 401, 429]
        assert [guess(server, f"garbage-{number}") for number in range(4)] == [401, 401, 401, 429]
        assert guess(server, "192.0.2.2") == 401
        clients = [event.get("client") for event in requests_and_warnings(server)]
    assert clients == ["192.0.2.1"] * 5 + [f"2001:db8::{n}" for n in range(1, 5)] + [None] * 4 + ["192.0.2.2"]


def test_client_that_is_no_trusted_proxy_cannot_choose_its_address(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, HTTP_FORWARDED_ALLOW_IPS="10.0.0.0/8", **STRICT) as server:
        server.wait_until_ready()
        assert [guess(server, f"192.0.2.{number}") for number in range(4)] == [401, 401, 401, 429]
        assert {event["client"] for event in requests_and_warnings(server)} == {"127.0.0.1"}


def test_trusting_everyone_is_refused_in_one_line(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, HTTP_FORWARDED_ALLOW_IPS="*") as server:
        status, output = server.ended()
        assert status == 1
    (line,) = output.splitlines()
    assert "HTTP_FORWARDED_ALLOW_IPS: it trusts everyone" in line
