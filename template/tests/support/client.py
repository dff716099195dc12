"""A client of the application, sign-up and sign-in, and the check of problem documents."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2 as httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

PASSWORD = "correct horse battery"


@asynccontextmanager
async def client_of(app: FastAPI, state: Mapping[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that calls the application in this process; `state` replaces the state of its lifespan."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    transport = httpx.ASGITransport(with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def sign_up(client: httpx.AsyncClient, email: str | None = None) -> dict[str, str]:
    """Register a user and sign in; return the user's request headers."""
    email = email or f"{uuid4().hex}@example.com"
    created = await client.post("/api/v1/users", json={"email": email, "password": PASSWORD})
    assert created.status_code == 201, created.text
    return bearer(await sign_in(client, email))


async def sign_in(client: httpx.AsyncClient, email: str) -> dict[str, Any]:
    """Sign in, and return the pair of tokens."""
    answer = await client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def bearer(pair: Mapping[str, Any]) -> dict[str, str]:
    """Return the request headers with the access token."""
    return {"Authorization": f"Bearer {pair['access_token']}"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that the answer is a problem document with this status and code, and return the document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    return document
