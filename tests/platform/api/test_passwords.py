"""A change of the password: limited like sign-in, and one transaction with the end of all sessions."""

from dataclasses import replace

import httpx2 as httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.main import create_app
from app.platform.db.session import Database
from app.platform.http.lifespan import State
from app.services import Services
from tests.support.client import PASSWORD, bearer, client_of, sign_in, sign_up

ME = "/api/v1/users/me"
REFRESH = "/api/v1/auth/refresh"
REFUSE_AT_COMMIT = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = 'check_violation'; END$$
    """,
    """
    CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
    """,
)


async def test_password_change_has_the_limit_of_sign_in(settings: Settings, state: State) -> None:
    strict = replace(settings, http=settings.http.model_copy(update={"login_rate_limit": "3/minute"}))
    async with client_of(create_app(strict), state) as client:
        headers = await sign_up(client)
        body = {"current_password": "wrong password", "new_password": "a better password"}
        codes = [(await client.put(f"{ME}/password", json=body, headers=headers)).status_code for _ in range(4)]
        assert codes == [400, 400, 400, 429]
        assert (await client.get(ME, headers=headers)).status_code == 200


@pytest.mark.commits
async def test_password_that_does_not_change_signs_nobody_out(
    client: httpx.AsyncClient, database: Database, services: Services
) -> None:
    await sign_up(client, "ada@example.com")
    pair = await sign_in(client, "ada@example.com")
    user = (await client.get(ME, headers=bearer(pair))).json()
    async with database.transaction() as session:
        for statement in REFUSE_AT_COMMIT:
            await session.execute(text(statement))
    with pytest.raises(IntegrityError, match="refused at commit"):
        await services.users.change_password(user["id"], PASSWORD, "a better password")
    assert await sign_in(client, "ada@example.com")
    answer = await client.post(REFRESH, json={"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 200
