"""The contract of /api/v1/auth, and of valid access tokens."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import jwt
import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.platform.auth.models import RefreshToken
from app.platform.db.session import Database
from tests.support.client import PASSWORD, bearer, problem, sign_in, sign_up

TOKEN = "/api/v1/auth/token"
REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"
ME = "/api/v1/users/me"


async def test_sign_in_gives_a_pair(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ADA@example.com")
    assert set(pair) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 900)
    assert (await client.get(ME, headers=bearer(pair))).status_code == 200


@pytest.mark.parametrize(
    ("username", "password"), [("ada@example.com", "wrong password"), ("nobody@example.com", PASSWORD)]
)
async def test_wrong_credentials_look_the_same(client: httpx.AsyncClient, username: str, password: str) -> None:
    await sign_up(client, "ada@example.com")
    answer = await client.post(TOKEN, data={"username": username, "password": password})
    document = problem(answer, 401, "invalid_credentials")
    assert document["detail"] == "Wrong email address or password."


@pytest.mark.parametrize("form", [{}, {"username": "nul\x00", "password": "x"}, {"username": "a", "grant_type": "x"}])
async def test_malformed_sign_in_is_refused(client: httpx.AsyncClient, form: dict[str, str]) -> None:
    problem(await client.post(TOKEN, data=form), 422, "validation_error")


async def test_refresh_rotates(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada@example.com")
    first = await sign_in(client, "ada@example.com")
    answer = await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await client.get(ME, headers=bearer(second))).status_code == 200
    assert (await client.post(REFRESH, json={"refresh_token": second["refresh_token"]})).status_code == 200


@pytest.mark.commits
async def test_reused_token_revokes_its_family_and_no_other(client: httpx.AsyncClient, database: Database) -> None:
    await sign_up(client, "ada@example.com")
    stolen = await sign_in(client, "ada@example.com")
    elsewhere = await sign_in(client, "ada@example.com")
    rotated = (await client.post(REFRESH, json={"refresh_token": stolen["refresh_token"]})).json()
    async with database.transaction() as session:
        an_hour_ago = RefreshToken.used_at - timedelta(hours=1)
        await session.execute(update(RefreshToken).where(RefreshToken.used_at.is_not(None)).values(used_at=an_hour_ago))
    reuse = await client.post(REFRESH, json={"refresh_token": stolen["refresh_token"]})
    problem(reuse, 401, "invalid_refresh_token")
    revoked = await client.post(REFRESH, json={"refresh_token": rotated["refresh_token"]})
    problem(revoked, 401, "invalid_refresh_token")
    other = await client.post(REFRESH, json={"refresh_token": elsewhere["refresh_token"]})
    assert other.status_code == 200


@pytest.mark.commits
async def test_concurrent_refreshes_get_the_same_token(client: httpx.AsyncClient, database: Database) -> None:
    await sign_up(client, "ada@example.com")
    body = {"refresh_token": (await sign_in(client, "ada@example.com"))["refresh_token"]}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.post(REFRESH, json=body)) for _ in range(4)]
    assert [task.result().status_code for task in tasks] == [200] * 4
    assert len({task.result().json()["refresh_token"] for task in tasks}) == 1
    async with database.read() as session:
        tokens = await session.scalars(select(RefreshToken.id))
    # the tokens of sign-up and sign-in, and one successor
    assert len(tokens.all()) == 3


async def test_unknown_refresh_token_is_refused(client: httpx.AsyncClient) -> None:
    problem(await client.post(REFRESH, json={"refresh_token": "unknown"}), 401, "invalid_refresh_token")


async def test_deleted_user_cannot_refresh(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    await client.delete(ME, headers=headers)
    answer = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
    problem(answer, 401, "invalid_refresh_token")


async def test_sign_out_revokes_the_family(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    assert (await client.post(LOGOUT, json={"refresh_token": pair["refresh_token"]})).status_code == 204
    answer = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
    problem(answer, 401, "invalid_refresh_token")


async def test_signing_out_with_an_unknown_token_is_no_error(client: httpx.AsyncClient) -> None:
    assert (await client.post(LOGOUT, json={"refresh_token": "unknown"})).status_code == 204


async def test_signing_out_everywhere_revokes_all_tokens_of_the_caller(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client, "ada@example.com")
    pairs = [await sign_in(client, "ada@example.com") for _ in range(2)]
    await sign_up(client, "eve@example.com")
    other = await sign_in(client, "eve@example.com")
    assert (await client.post(f"{LOGOUT}-everywhere", headers=headers)).status_code == 204
    for pair in pairs:
        answer = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
        problem(answer, 401, "invalid_refresh_token")
    assert (await client.post(REFRESH, json={"refresh_token": other["refresh_token"]})).status_code == 200


@pytest.fixture
async def claims(client: httpx.AsyncClient, settings: Settings) -> dict[str, Any]:
    """Return the claims of a valid token for an active user."""
    user = (await client.get(ME, headers=await sign_up(client))).json()
    soon = datetime.now(UTC) + timedelta(minutes=5)
    return {"sub": user["id"], "admin": True, "aud": settings.auth.audience, "exp": soon}


def key(settings: Settings) -> str:
    return settings.auth.secret_key.get_secret_value()


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another service"},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"sub": "not a uuid"},
        {"sub": None},
    ],
)
async def test_token_with_wrong_claims_is_no_token(
    client: httpx.AsyncClient, settings: Settings, claims: dict[str, Any], changed: dict[str, Any]
) -> None:
    payload = {name: value for name, value in (claims | changed).items() if value is not None}
    token = jwt.encode(payload, key(settings), algorithm="HS256")
    problem(await client.get(ME, headers=bearer({"access_token": token})), 401, "not_authenticated")


async def test_token_with_right_claims_is_one(
    client: httpx.AsyncClient, settings: Settings, claims: dict[str, Any]
) -> None:
    token = jwt.encode(claims, key(settings), algorithm="HS256")
    assert (await client.get(ME, headers=bearer({"access_token": token}))).status_code == 200


async def test_token_of_an_unknown_user_is_no_token(
    client: httpx.AsyncClient, settings: Settings, claims: dict[str, Any]
) -> None:
    token = jwt.encode(claims | {"sub": str(uuid4())}, key(settings), algorithm="HS256")
    problem(await client.get(ME, headers=bearer({"access_token": token})), 401, "not_authenticated")


async def test_unsigned_token_is_no_token(client: httpx.AsyncClient, claims: dict[str, Any]) -> None:
    token = jwt.encode(claims, None, algorithm="none")
    problem(await client.get(ME, headers=bearer({"access_token": token})), 401, "not_authenticated")


async def test_token_of_another_key_is_no_token(client: httpx.AsyncClient, claims: dict[str, Any]) -> None:
    token = jwt.encode(claims, "o" * 32, algorithm="HS256")
    problem(await client.get(ME, headers=bearer({"access_token": token})), 401, "not_authenticated")


async def test_tampered_token_is_no_token(
    client: httpx.AsyncClient, settings: Settings, claims: dict[str, Any]
) -> None:
    head, body, signature = jwt.encode(claims | {"admin": False}, key(settings), algorithm="HS256").split(".")
    forged = jwt.encode(claims, "o" * 32, algorithm="HS256").split(".")[1]
    assert forged != body
    token = f"{head}.{forged}.{signature}"
    problem(await client.get(ME, headers=bearer({"access_token": token})), 401, "not_authenticated")


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer \xff"])
async def test_other_authorization_headers_are_no_token(client: httpx.AsyncClient, value: str) -> None:
    headers = {b"Authorization": value.encode("latin-1")}
    answer = await client.get(ME, headers=headers)
    problem(answer, 401, "not_authenticated")
