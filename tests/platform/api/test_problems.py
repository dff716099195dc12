"""Every failure is a problem document, with all the headers that the middleware adds."""

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi import HTTPException as FastAPIHTTPException
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from app.platform.db.session import Database
from app.platform.http_client import (
    CallFailed,
    InvalidResponse,
    NoFreeConnection,
    NoResponse,
    TimedOut,
    UnexpectedStatus,
)
from tests.support.client import problem

ORIGIN = "https://shop.example"


def raising(app: FastAPI, error: Exception) -> None:
    @app.get("/raise")
    async def fail() -> None:
        raise error


async def test_unknown_path(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nothing"), 404, "not_found")


async def test_wrong_method(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/v1/users")
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    problem(await client.get("/api/v1/auth/token"), 405, "method_not_allowed")
    problem(await client.put("/docs"), 405, "method_not_allowed")


async def test_status_without_a_name_of_its_own(app: FastAPI, client: httpx.AsyncClient) -> None:
    raising(app, HTTPException(418, "no coffee"))
    problem(await client.get("/raise"), 418, "http_418")


async def test_detail_that_is_no_text_is_json(app: FastAPI, client: httpx.AsyncClient) -> None:
    raising(app, FastAPIHTTPException(409, {"reason": "no coffee"}))
    document = problem(await client.get("/raise"), 409, "http_409")
    assert document["detail"] == '{"reason": "no coffee"}'


async def test_bug_is_a_500_without_details(app: FastAPI, client: httpx.AsyncClient) -> None:
    raising(app, ZeroDivisionError("secret of the inside"))
    answer = await client.get("/raise", headers={"X-Request-ID": "my-request-1"})
    document = problem(answer, 500, "internal_error")
    assert document["request_id"] == "my-request-1"
    assert "secret" not in answer.text
    assert answer.headers["x-response-time"].endswith("ms")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_bug_in_the_database_layer_is_a_500(app: FastAPI, client: httpx.AsyncClient) -> None:
    raising(app, InvalidRequestError("a mistake of ours"))
    problem(await client.get("/raise"), 500, "internal_error")


async def test_exhausted_pool_is_a_503_with_retry_after(app: FastAPI, client: httpx.AsyncClient) -> None:
    raising(app, PoolTimeoutError("QueuePool limit reached"))
    answer = await client.get("/raise")
    problem(answer, 503, "pool_exhausted")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CallFailed("GET secret.example: it failed"), 502, "upstream_failed"),
        (UnexpectedStatus(404), 502, "upstream_failed"),
        (NoResponse("GET secret.example: refused"), 502, "upstream_failed"),
        (InvalidResponse("GET secret.example: no JSON"), 502, "upstream_failed"),
        (TimedOut("GET secret.example: late"), 504, "upstream_timeout"),
        (NoFreeConnection("GET secret.example: full"), 503, "busy"),
    ],
)
async def test_failed_call_of_another_service_is_logged_with_its_reason(
    app: FastAPI, client: httpx.AsyncClient, error: CallFailed, status: int, code: str
) -> None:
    raising(app, error)
    with structlog.testing.capture_logs() as logs:
        answer = await client.get("/raise")
    problem(answer, status, code)
    assert "secret.example" not in answer.text
    assert ("retry-after" in answer.headers) is (status == 503)
    (logged,) = [log for log in logs if log["event"] == "call_failed"]
    assert (logged["log_level"], logged["code"], logged["reason"]) == ("warning", code, str(error))


async def test_half_a_response_is_broken_off(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> object:
            yield b"half of it"
            message = "too late"
            raise ValueError(message)

        return StreamingResponse(chunks())  # type: ignore[arg-type] # an async generator

    with pytest.raises(ValueError, match="too late"):
        await client.get("/stream")


@pytest.mark.commits
@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [("23514", 409, "integrity_conflict"), ("40001", 503, "write_conflict"), ("P0001", 500, "internal_error")],
)
async def test_commit_that_fails_is_never_a_success(
    client: httpx.AsyncClient, database: Database, sqlstate: str, status: int, code: str
) -> None:
    async with database.transaction() as session:
        await session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = '{sqlstate}'; END$$"
            )
        )
        await session.execute(
            text(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON users "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    answer = await client.post("/api/v1/users", json={"email": "a@example.com", "password": "12345678"})
    problem(answer, status, code)
    async with database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM users")) == 0
