"""Refused WebSockets: problem documents where the server can send them, else the status of the protocol."""

from typing import Any

import pytest
import structlog
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketException
from fastapi.exceptions import WebSocketRequestValidationError
from starlette.types import Message

from app.platform.errors import DatabaseUnavailable
from app.platform.http.lifespan import State
from app.platform.http_client import TimedOut

Talk = list[Message]


async def connect(app: FastAPI, state: State, path: str, *, denial: bool = True) -> tuple[Talk, list[Any]]:
    """Open a WebSocket; return the messages that the application sends, and its log of requests and errors."""
    sent: Talk = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "headers": [],
        "query_string": b"",
        "client": ("192.0.2.1", 1),
        "state": dict(state),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    with structlog.testing.capture_logs() as logs:
        await app(scope, receive, send)
    return sent, logs


def statuses(logs: list[Any]) -> list[tuple[str, int]]:
    return [(log["route"], log["status"]) for log in logs if log["event"] == "request"]


ERRORS: list[tuple[Exception, int, str]] = [
    (DatabaseUnavailable(), 503, "database_unavailable"),
    (TimedOut("GET other.example: late"), 504, "upstream_timeout"),
    (HTTPException(418, "no coffee"), 418, "http_418"),
    (HTTPException(409, {"reason": "no coffee"}), 409, "http_409"),
    (WebSocketRequestValidationError([{"loc": ("query", "n"), "msg": "no", "type": "x"}]), 422, "validation_error"),
    (WebSocketException(1008, "no ticket"), 403, "forbidden"),
    (ZeroDivisionError("secret"), 500, "internal_error"),
]


def failing(app: FastAPI, error: Exception, *, accept: bool) -> None:
    @app.websocket("/ws/{name}")
    async def fail(socket: WebSocket, name: str) -> None:  # noqa: ARG001 (part of the path)
        if accept:
            await socket.accept()
        raise error


@pytest.mark.parametrize(("error", "status", "code"), ERRORS)
async def test_error_before_the_connection_is_accepted_is_a_problem(
    app: FastAPI, state: State, error: Exception, status: int, code: str
) -> None:
    failing(app, error, accept=False)
    (start, body, *_), logs = await connect(app, state, "/ws/ada")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert f'"code":"{code}"'.encode() in body["body"]
    assert b"secret" not in body["body"]
    assert headers[b"x-request-id"] in body["body"]
    assert statuses(logs) == [("/ws/{name}", status)]
    assert ("unexpected_error" in {log["event"] for log in logs}) == (status == 500)


async def test_invalid_parameters_are_named(app: FastAPI, state: State) -> None:
    @app.websocket("/ws/{number}")
    async def accept(socket: WebSocket, number: int) -> None:
        raise AssertionError((socket, number))

    (start, body, *_), logs = await connect(app, state, "/ws/ada")
    assert start["status"] == 422
    assert b'"location":["path","number"]' in body["body"]
    assert {log["log_level"] for log in logs} == {"info"}


@pytest.mark.parametrize(("error", "closed"), [(DatabaseUnavailable(), 1008), (ZeroDivisionError("secret"), 1011)])
async def test_error_after_the_connection_was_accepted_closes_it(
    app: FastAPI, state: State, error: Exception, closed: int
) -> None:
    failing(app, error, accept=True)
    sent, logs = await connect(app, state, "/ws/ada")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == closed
    assert statuses(logs) == [("/ws/{name}", 101)]


async def test_server_without_denial_responses_refuses_in_its_own_way(app: FastAPI, state: State) -> None:
    sent, logs = await connect(app, state, "/nowhere", denial=False)
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert statuses(logs) == [("unmatched", 403)]


async def test_route_that_neither_accepts_nor_refuses_is_a_bug(app: FastAPI, state: State) -> None:
    @app.websocket("/ws")
    async def forget(socket: WebSocket) -> None:
        assert socket.client

    (start, *_), logs = await connect(app, state, "/ws")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 500)
    assert "websocket_unanswered" in {log["event"] for log in logs}


async def test_socket_that_closes_itself_is_left_alone(app: FastAPI, state: State) -> None:
    @app.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(1000)

    sent, logs = await connect(app, state, "/ws")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert statuses(logs) == [("/ws", 101)]
