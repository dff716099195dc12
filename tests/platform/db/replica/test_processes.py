"""Two processes of a service with a replica, over HTTP."""

import asyncio
from pathlib import Path

from tests.platform.support.replication import Pair, eventually
from tests.support.databases import execute, migrate
from tests.support.server import Server, serving

USERS = "/api/v1/users"
NEW = {"email": "ada@example.com", "full_name": "Ada", "password": "correct horse battery staple"}


def names(server: Server, token: str) -> list[str]:
    """Return the names of all users, as an administrator sees them."""
    answer = server.client.get(USERS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return [each["full_name"] for each in answer.json()["items"]]


def replica_is_in_use(server: Server) -> bool:
    return bool(server.client.get("/readyz").json()["checks"]["postgresql_replica"]["status"] == "ok")


async def test_a_user_of_two_processes_sees_own_writes_in_both(pair: Pair, tmp_path: Path, redis_url: str) -> None:
    await asyncio.to_thread(migrate, pair.primary.url)
    await pair.caught_up()
    variables = {"DATABASE_REPLICA_URL": pair.replica.url, "REDIS_URL": redis_url}
    with (
        serving(tmp_path, pair.primary.url, **variables) as one,
        serving(tmp_path, pair.primary.url, **variables) as other,
    ):
        for server in (one, other):
            server.wait_until_ready()
            assert replica_is_in_use(server)
        await pair.replica.pause()
        try:
            assert one.client.post(USERS, json=NEW).status_code == 201
            form = {"username": NEW["email"], "password": NEW["password"]}
            token = one.client.post("/api/v1/auth/token", data=form).json()["access_token"]
            await execute(pair.primary.url, "UPDATE users SET is_admin = true")
            assert names(other, token) == ["Ada"]
            bearer = {"Authorization": f"Bearer {token}"}
            assert other.client.patch(f"{USERS}/me", json={"full_name": "Ada L."}, headers=bearer).status_code == 200
            assert names(one, token) == ["Ada L."]
        finally:
            await pair.replica.resume()
        shown = one.client.get("/metrics").text
        assert 'db_reads_total{server="primary"}' in shown

        async def from_the_replica() -> bool:
            names(one, token)
            return 'db_reads_total{server="replica"}' in one.client.get("/metrics").text

        # the write counts for some seconds
        await eventually(from_the_replica)
        assert names(one, token) == ["Ada L."]
