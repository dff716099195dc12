"""A journey with the generated Python client: register, sign in, place, import and list orders, sign out."""

import io
import sys

from service_client import AuthenticatedClient, Client
from service_client.api.auth import refresh, sign_in, sign_out
from service_client.api.operations import livez
from service_client.api.orders import create_order, import_orders, list_orders
from service_client.api.users import create_user, get_me
from service_client.models import (
    LineCreate,
    OrderCreate,
    OrderRead,
    PageOrderRead,
    Problem,
    RefreshRequest,
    SignInForm,
    TokenPair,
    UserCreate,
    UserRead,
)
from service_client.types import UNSET, File

EMAIL, PASSWORD = "grace@example.com", "correct horse battery staple"
LINE = b'{"lines": [{"sku": "TEA-250", "quantity": 1, "unit_price_cents": 499}]}\n'
# the environment may name a proxy
DIRECTLY = {"trust_env": False}


def main(url: str) -> None:
    """Do the journey; raise AssertionError where the service or the client is not as it should be."""
    anyone = Client(base_url=url, httpx_args=DIRECTLY)
    assert livez.sync(client=anyone)
    user = create_user.sync(client=anyone, body=UserCreate(email=EMAIL, password=PASSWORD))
    assert isinstance(user, UserRead)
    pair = sign_in.sync(client=anyone, body=SignInForm(username=EMAIL, password=PASSWORD))
    assert isinstance(pair, TokenPair)
    client = AuthenticatedClient(base_url=url, token=pair.access_token, httpx_args=DIRECTLY)
    me = get_me.sync(client=client)
    assert isinstance(me, UserRead)
    assert me.id == user.id
    order(client)
    assert count(client) == 5
    again = RefreshRequest(refresh_token=pair.refresh_token)
    assert sign_out.sync_detailed(client=client, body=again).status_code == 204
    refused = refresh.sync(client=client, body=again)
    assert isinstance(refused, Problem)
    assert refused.code == "invalid_refresh_token"


def order(client: AuthenticatedClient) -> None:
    """Place three orders, and import two."""
    tea = OrderCreate(lines=[LineCreate(sku="TEA-250", quantity=2, unit_price_cents=499)])
    placed = [create_order.sync(client=client, body=tea) for _ in range(3)]
    assert all(isinstance(each, OrderRead) and each.total_cents == 998 for each in placed)
    import_orders.sync_detailed(client=client, body=File(payload=io.BytesIO(LINE * 2)))


def count(client: AuthenticatedClient) -> int:
    """Return the number of orders on all pages."""
    found, cursor = 0, None
    while True:
        page = list_orders.sync(client=client, limit=2, cursor=cursor or UNSET)
        assert isinstance(page, PageOrderRead)
        found, cursor = found + len(page.items), page.next_cursor
        if cursor is None:
            return found


if __name__ == "__main__":
    main(sys.argv[1])
