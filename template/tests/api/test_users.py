"""The contract of /api/v1/users."""

from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from app.services import Services
from tests.support.client import PASSWORD, bearer, problem, sign_in, sign_up

USERS = "/api/v1/users"
TOKEN = "/api/v1/auth/token"
REFRESH = "/api/v1/auth/refresh"


async def sign_up_admin(client: httpx.AsyncClient, services: Services) -> dict[str, str]:
    email = f"{uuid4().hex}@example.com"
    await sign_up(client, email)
    await services.users.grant_admin(email)
    return bearer(await sign_in(client, email))


async def test_registration(client: httpx.AsyncClient) -> None:
    body = {"email": "Ada@Example.com", "password": PASSWORD, "full_name": "Ada Lovelace"}
    answer = await client.post(USERS, json=body)
    assert answer.status_code == 201
    user = answer.json()
    assert user["email"] == "ada@example.com"
    assert user["full_name"] == "Ada Lovelace"
    assert (user["is_active"], user["is_admin"]) == (True, False)
    assert "password" not in answer.text
    assert answer.headers["location"] == f"{USERS}/{user['id']}"


async def test_email_address_can_be_taken_once_in_whatever_case(client: httpx.AsyncClient) -> None:
    await client.post(USERS, json={"email": "ada@example.com", "password": PASSWORD})
    answer = await client.post(USERS, json={"email": "ADA@example.com", "password": PASSWORD})
    problem(answer, 409, "email_taken")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "a@b"),
        ("email", f"{'a' * 65}@example.com"),
        ("email", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}.com"),
        ("email", "a\x00b@example.com"),
        ("email", None),
        ("password", "short"),
        ("password", "x" * 129),
        ("full_name", ""),
        ("full_name", "nul\x00"),
        ("full_name", 7),
        ("is_admin", True),
    ],
)
async def test_invalid_registration_is_refused(client: httpx.AsyncClient, field: str, value: object) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, field: value}
    answer = await client.post(USERS, json=body)
    document = problem(answer, 422, "validation_error")
    assert document["errors"][0]["location"] == ["body", field]
    assert PASSWORD not in answer.text


async def test_own_account_is_shown_and_changed(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client, "ada@example.com")
    assert (await client.get(f"{USERS}/me", headers=headers)).json()["email"] == "ada@example.com"
    changed = await client.patch(f"{USERS}/me", json={"full_name": "Ada"}, headers=headers)
    assert (changed.status_code, changed.json()["full_name"]) == (200, "Ada")
    untouched = await client.patch(f"{USERS}/me", json={}, headers=headers)
    assert untouched.json()["full_name"] == "Ada"
    cleared = await client.patch(f"{USERS}/me", json={"full_name": None}, headers=headers)
    assert cleared.json()["full_name"] is None


async def test_closed_account_is_gone(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client, "ada@example.com")
    assert (await client.delete(f"{USERS}/me", headers=headers)).status_code == 204
    problem(await client.get(f"{USERS}/me", headers=headers), 401, "not_authenticated")
    form = {"username": "ada@example.com", "password": PASSWORD}
    problem(await client.post(TOKEN, data=form), 401, "invalid_credentials")


async def test_password_is_changed_and_all_other_tokens_end(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    body = {"current_password": PASSWORD, "new_password": "a better password"}
    changed = await client.put(f"{USERS}/me/password", json=body, headers=bearer(pair))
    assert changed.status_code == 200
    await assert_signed_out(client, pair)
    answer = await client.post(REFRESH, json={"refresh_token": changed.json()["refresh_token"]})
    assert (await client.get(f"{USERS}/me", headers=bearer(answer.json()))).status_code == 200
    form = {"username": "ada@example.com", "password": PASSWORD}
    problem(await client.post(TOKEN, data=form), 401, "invalid_credentials")
    assert (await client.post(TOKEN, data=form | {"password": "a better password"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"current_password": "wrong password", "new_password": "a better password"}, 400, "wrong_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, 422, "validation_error"),
    ],
)
async def test_password_stays_after_a_refusal(
    client: httpx.AsyncClient, body: dict[str, str], status: int, code: str
) -> None:
    headers = await sign_up(client, "ada@example.com")
    problem(await client.put(f"{USERS}/me/password", json=body, headers=headers), status, code)
    assert await sign_in(client, "ada@example.com")


async def test_deactivated_user_is_signed_out_until_reactivated(client: httpx.AsyncClient, services: Services) -> None:
    admin = await sign_up_admin(client, services)
    await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    path = f"{USERS}/{(await client.get(f'{USERS}/me', headers=bearer(pair))).json()['id']}"
    changed = await client.patch(path, json={"is_active": False}, headers=admin)
    assert (changed.status_code, changed.json()["is_active"]) == (200, False)
    problem(await client.get(f"{USERS}/me", headers=bearer(pair)), 401, "not_authenticated")
    form = {"username": "ada@example.com", "password": PASSWORD}
    problem(await client.post(TOKEN, data=form), 401, "invalid_credentials")
    assert (await client.patch(path, json={"is_active": True}, headers=admin)).json()["is_active"] is True
    await assert_signed_out(client, pair)
    assert await sign_in(client, "ada@example.com")


async def test_rights_are_granted_and_taken_away(client: httpx.AsyncClient, services: Services) -> None:
    admin = await sign_up_admin(client, services)
    headers = await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    path = f"{USERS}/{(await client.get(f'{USERS}/me', headers=headers)).json()['id']}"
    problem(await client.patch(path, json={"is_admin": True}, headers=headers), 403, "forbidden")
    assert (await client.patch(path, json={"is_admin": True}, headers=admin)).json()["is_admin"] is True
    refreshed = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
    assert (await client.get(USERS, headers=headers)).status_code == 200
    demoted = await client.patch(path, json={"is_active": None, "is_admin": False}, headers=admin)
    assert (demoted.json()["is_active"], demoted.json()["is_admin"]) == (True, False)
    problem(await client.get(USERS, headers=headers), 403, "forbidden")
    await assert_signed_out(client, refreshed.json())
    problem(await client.patch(f"{USERS}/{uuid4()}", json={"is_admin": False}, headers=admin), 404, "user_not_found")


async def test_administrators_keep_their_own_rights(client: httpx.AsyncClient, services: Services) -> None:
    admin = await sign_up_admin(client, services)
    me = (await client.get(f"{USERS}/me", headers=admin)).json()
    for body in ({"is_active": False}, {"is_admin": False}):
        problem(await client.patch(f"{USERS}/{me['id']}", json=body, headers=admin), 409, "own_account")
    for body in ({}, {"is_active": True}):
        assert (await client.patch(f"{USERS}/{me['id']}", json=body, headers=admin)).json() == me


async def assert_signed_out(client: httpx.AsyncClient, pair: dict[str, Any]) -> None:
    answer = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
    problem(answer, 401, "invalid_refresh_token")


async def test_user_is_shown_to_the_user_and_to_administrators(client: httpx.AsyncClient, services: Services) -> None:
    headers = await sign_up(client)
    user = (await client.get(f"{USERS}/me", headers=headers)).json()
    assert (await client.get(f"{USERS}/{user['id']}", headers=headers)).json() == user
    problem(await client.get(f"{USERS}/{user['id']}", headers=await sign_up(client)), 403, "forbidden")
    admin = await sign_up_admin(client, services)
    assert (await client.get(f"{USERS}/{user['id']}", headers=admin)).json() == user
    problem(await client.get(f"{USERS}/{uuid4()}", headers=admin), 404, "user_not_found")


async def test_list_is_for_administrators(client: httpx.AsyncClient, services: Services) -> None:
    problem(await client.get(USERS), 401, "not_authenticated")
    problem(await client.get(USERS, headers=await sign_up(client)), 403, "forbidden")
    admin = await sign_up_admin(client, services)
    first = (await client.get(USERS, params={"limit": 1}, headers=admin)).json()
    query = {"limit": 100, "cursor": first["next_cursor"]}
    second = (await client.get(USERS, params=query, headers=admin)).json()
    assert len(first["items"]) == 1
    assert len(second["items"]) == 1
    assert second["next_cursor"] is None


async def test_revoked_rights_are_gone_at_once(client: httpx.AsyncClient, services: Services) -> None:
    admin = await sign_up_admin(client, services)
    me = (await client.get(f"{USERS}/me", headers=admin)).json()
    assert me["is_admin"] is True
    await client.delete(f"{USERS}/me", headers=admin)
    problem(await client.get(USERS, headers=admin), 401, "not_authenticated")


async def test_malformed_id_is_not_found(client: httpx.AsyncClient) -> None:
    problem(await client.get(f"{USERS}/42", headers=await sign_up(client)), 404, "not_found")
