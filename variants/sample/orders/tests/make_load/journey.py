"""What each client of `make load` does. It is yours: let it do what your clients do (docs/load.md)."""

from collections.abc import Iterable

from dev.load.client import Client

API = "/api/v1"
PASSWORD = "correct horse battery"
ORDER = {"lines": [{"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}]}


def begin(client: Client) -> None:
    """Register and sign in, once for each client."""
    email = f"load-{client.name}@example.com"
    client.send("POST", f"{API}/users", expect=201, body={"email": email, "password": PASSWORD})
    pair = client.send("POST", f"{API}/auth/token", expect=200, form={"username": email, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {pair['access_token']}"


def repeat(client: Client) -> None:
    """Order, pay and list, again and again."""
    order = client.send("POST", f"{API}/orders", expect=201, body=ORDER)
    client.created.add(order["id"])
    paid = client.send("POST", f"{API}/orders/{order['id']}/pay", expect=200, name=f"{API}/orders/:id/pay")
    client.check(paid["status"] == "paid", "a paid order has the status paid")
    newest = client.send("GET", f"{API}/orders?limit=20", expect=200)["items"]
    client.check(newest[0]["id"] == order["id"], "the newest order is the first of the list")


def stored(client: Client) -> Iterable[str]:
    """Return the ids of all orders that the client has at the end."""
    cursor = ""
    while cursor is not None:
        page = client.send("GET", f"{API}/orders?limit=100{cursor and f'&cursor={cursor}'}", expect=200)
        yield from (order["id"] for order in page["items"])
        cursor = page["next_cursor"]
