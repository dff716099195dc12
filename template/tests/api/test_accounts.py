"""Closing an account or revoking rights takes effect at the next request, although the token is still valid.

The tests take the routes from the OpenAPI document, so they also cover new routes.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, update

from app.features.users.models import User
from app.platform.auth.dependencies import CallerId, CurrentActor
from app.platform.context import Actor, actor
from app.platform.db.session import Database
from app.services import Services
from tests.support.client import bearer, problem, sign_in, sign_up

METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
READS = frozenset({"GET", "HEAD"})
ME = "/api/v1/users/me"
EXAMPLES = {"uuid": str(uuid4()), "integer": "1", "date": "2030-01-31"}


def protected(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of the operations that need a token; ids in the paths do not exist."""
    return [
        (method.upper(), _example(path, operation), operation)
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
        if method.upper() in METHODS and operation["security"]
    ]


def _example(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        value = EXAMPLES.get(schema.get("format", schema.get("type")), "x")
        path = path.replace(f"{{{parameter['name']}}}", value)
    return path


Change = Callable[..., Awaitable[None]]


@pytest.fixture
def change(database: Database) -> Change:
    """Change all accounts in the database, without changing their tokens."""

    async def change(**values: Any) -> None:
        async with database.transaction() as session:
            await session.execute(update(User).values(**values))

    return change


@pytest.mark.parametrize("closed", [{"deleted_at": func.now()}, {"is_active": False}], ids=["deleted", "deactivated"])
async def test_closed_account_is_refused(
    app: FastAPI, client: httpx.AsyncClient, services: Services, change: Change, closed: dict[str, Any]
) -> None:
    headers = await sign_up_admin(client, services)
    somebody = (await client.get(ME, headers=await sign_up(client))).json()
    await change(**closed)
    operations = protected(app)
    assert {method for method, _, _ in operations} >= {"DELETE", "GET", "PATCH"}
    for method, path, operation in operations:
        answer = await client.request(method, path, headers=headers, json={})
        if answer.status_code == 401:
            problem(answer, 401, "not_authenticated")
            continue
        # the caller's own rows can be read with the token until it expires
        assert method in READS, f"{method} {path} writes for a closed account: ask for CurrentActor, not CallerId"
        assert "403" not in operation["responses"], f"{method} {path} trusts rights of a closed account"
        assert somebody["id"] not in answer.text
        assert somebody["email"] not in answer.text


async def test_revoked_rights_are_gone_at_once(
    app: FastAPI, client: httpx.AsyncClient, services: Services, change: Change
) -> None:
    headers = await sign_up_admin(client, services)
    somebody = (await client.get(ME, headers=await sign_up(client))).json()
    assert (await client.get(f"/api/v1/users/{somebody['id']}", headers=headers)).json() == somebody
    await change(is_admin=False)
    for_administrators = [
        (method, path) for method, path, operation in protected(app) if "403" in operation["responses"]
    ]
    assert ("GET", "/api/v1/users") in for_administrators
    for method, path in [*for_administrators, ("GET", f"/api/v1/users/{somebody['id']}")]:
        problem(await client.request(method, path, headers=headers, json={}), 403, "forbidden")


async def test_rights_that_were_granted_count_at_once(client: httpx.AsyncClient, services: Services) -> None:
    headers = await sign_up(client, "ada@example.com")
    problem(await client.get("/api/v1/users", headers=headers), 403, "forbidden")
    await services.users.grant_admin("ada@example.com")
    assert (await client.get("/api/v1/users", headers=headers)).status_code == 200


async def test_services_see_current_rights(
    app: FastAPI, client: httpx.AsyncClient, services: Services, change: Change
) -> None:
    seen: list[Actor | None] = []

    @app.get("/seen")
    async def see(caller: CurrentActor) -> None:
        assert actor.get() == caller
        seen.append(actor.get())

    @app.get("/own")
    async def own(caller: CallerId) -> None:
        assert caller == user_id
        seen.append(actor.get())

    headers = await sign_up_admin(client, services)
    user_id = UUID((await client.get(ME, headers=headers)).json()["id"])
    await client.get("/seen", headers=headers)
    await change(is_admin=False)
    await client.get("/seen", headers=headers)
    await client.get("/own", headers=headers)
    assert seen == [Actor(user_id, is_admin=True), Actor(user_id), Actor(user_id)]


async def sign_up_admin(client: httpx.AsyncClient, services: Services) -> dict[str, str]:
    """Register an administrator, and return their request headers."""
    email = f"{uuid4().hex}@example.com"
    await sign_up(client, email)
    await services.users.grant_admin(email)
    return bearer(await sign_in(client, email))
