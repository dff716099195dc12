"""What each client of `make load` does. It is yours: let it do what your clients do (docs/load.md)."""

from collections.abc import Iterable

from dev.load.client import Client

API = "/api/v1"
PASSWORD = "correct horse battery"


def begin(client: Client) -> None:
    """Register and sign in, once for each client."""
    email = f"load-{client.name}@example.com"
    user = client.send("POST", f"{API}/users", expect=201, body={"email": email, "password": PASSWORD})
    client.created.add(user["id"])
    pair = client.send("POST", f"{API}/auth/token", expect=200, form={"username": email, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {pair['access_token']}"


def repeat(client: Client) -> None:
    """Read and change the own account, again and again."""
    client.send("PATCH", f"{API}/users/me", expect=200, body={"full_name": client.name})
    user = client.send("GET", f"{API}/users/me", expect=200)
    client.check(user["full_name"] == client.name, "the account has its new name")


def stored(client: Client) -> Iterable[str]:
    """Return the ids of what the client has at the end: its account."""
    return [client.send("GET", f"{API}/users/me", expect=200)["id"]]
