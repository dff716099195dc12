from uuid import uuid4

import httpx2 as httpx

from tests.support.client import sign_up


async def test_greets_with_the_word_of_the_settings(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    me = (await client.get("/api/v1/users/me", headers=headers)).json()["id"]
    friend = await client.get(f"/api/v1/greetings/{me}", headers=headers)
    stranger = await client.get(f"/api/v1/greetings/{uuid4()}", headers=headers)
    assert (friend.json()["greeting"], stranger.json()["greeting"]) == ("Moin, friend!", "Moin, stranger!")
    assert (friend.json()["paper"], friend.headers["x-greeting"]) == ("A5", "Moin")
    assert (await client.get("/readyz")).json()["checks"]["desk"] == {"status": "ok", "critical": False}
