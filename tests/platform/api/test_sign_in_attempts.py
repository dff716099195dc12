"""Guesses at one account from many addresses are slowed, without locking its owner out."""

import time
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.config import Settings
from app.main import create_app
from app.platform.http.lifespan import State
from app.resources import Resources
from tests.support.client import PASSWORD, problem, sign_up

ADA = "ada@example.com"


class Clients:
    """Clients with addresses of their own."""

    def __init__(self, app: FastAPI, state: State) -> None:
        self._app = app
        self._state = state

    async def post(self, address: str, password: str, email: str = ADA) -> httpx.Response:
        """Sign in from this address."""
        form = {"username": email, "password": password}
        return await self.call(address, "POST", "/api/v1/auth/token", data=form)

    async def call(self, address: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request from this address."""

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(self._state)
            await self._app(scope, receive, send)

        transport = httpx.ASGITransport(with_state, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **request)


@pytest.fixture
async def clients(settings: Settings, resources: Resources, state: State) -> Clients:
    limited = replace(settings, http=settings.http.model_copy(update={"account_rate_limit": "5/15 minutes"}))
    resources.settings = limited
    return Clients(create_app(limited), state)


async def guesses(clients: Clients, count: int, email: str = ADA) -> list[int]:
    return [(await clients.post(f"192.0.2.{number}", "a guess", email)).status_code for number in range(count)]


async def test_guesses_from_many_addresses_are_slowed(client: httpx.AsyncClient, clients: Clients) -> None:
    await sign_up(client, ADA)
    with structlog.testing.capture_logs() as logs:
        # signing up was the first attempt from an unknown address
        assert await guesses(clients, 30) == [401] * 4 + [429] * 26
        # the right password does not tell that it is right
        answer = await clients.post("198.51.100.1", PASSWORD)
    problem(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
    assert [log["log_level"] for log in logs if log["event"] == "account_sign_in_limit_reached"] == ["warning"]
    assert ADA not in str(logs)


async def test_owner_signs_in_from_a_known_address(client: httpx.AsyncClient, clients: Clients) -> None:
    await sign_up(client, ADA)
    assert (await clients.post("203.0.113.7", PASSWORD)).status_code == 200
    assert (await guesses(clients, 10))[-1] == 429
    assert (await clients.post("203.0.113.7", PASSWORD)).status_code == 200
    assert (await clients.post("203.0.113.8", PASSWORD)).status_code == 429


async def test_other_accounts_are_not_limited_and_unknown_ones_alike(
    client: httpx.AsyncClient, clients: Clients
) -> None:
    await sign_up(client, "grace@example.com")
    assert await guesses(clients, 6, "nobody@example.com") == [401] * 5 + [429]
    assert (await guesses(clients, 1, "NOBODY@example.com")) == [429]
    assert (await clients.post("198.51.100.1", PASSWORD, "grace@example.com")).status_code == 200


async def test_guesses_with_a_stolen_access_token_are_slowed(client: httpx.AsyncClient, clients: Clients) -> None:
    headers = await sign_up(client, ADA)
    body = {"current_password": "a guess", "new_password": "a better password"}
    answers = [
        await clients.call(f"192.0.2.{number}", "PUT", "/api/v1/users/me/password", json=body, headers=headers)
        for number in range(10)
    ]
    # signing up was the first attempt from an unknown address
    assert [answer.status_code for answer in answers] == [400] * 4 + [429] * 6


async def test_known_address_stays_known_by_signing_in(
    client: httpx.AsyncClient, clients: Clients, resources: Resources
) -> None:
    await sign_up(client, ADA)
    assert (await clients.post("203.0.113.7", PASSWORD)).status_code == 200
    counts = vars(vars(resources.limiter)["_memory"])["_counts"]
    (known,) = (key for key in counts if "known" in key and "203.0.113.7" in key)
    begun = counts[known][1]
    counts[known] = (1, time.monotonic() + 60)
    assert (await clients.post("203.0.113.7", PASSWORD)).status_code == 200
    assert counts[known][1] >= begun
