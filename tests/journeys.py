"""What users of a running service do, one request after the other."""

from typing import Any

from tests import client
from tests.project import Service
from tests.shell import CommandError


def sign_in(service: Service, email: str = "ada@example.com") -> str:
    """Register, sign in, and return the access token.

    Raises:
        CommandError: the service refused something.
    """
    api = f"{service.url}/api/v1"
    person = {"email": email, "password": "correct horse battery staple"}
    _expect(201, client.call("POST", f"{api}/users", body=person))
    form = {"username": email, "password": person["password"]}
    return str(_expect(200, client.call("POST", f"{api}/auth/token", form=form)).json()["access_token"])


def me(service: Service, token: str) -> dict[str, Any]:
    """Return who the service says we are.

    Raises:
        CommandError: the service refused.
    """
    known: dict[str, Any] = _expect(200, client.call("GET", f"{service.url}/api/v1/users/me", token=token)).json()
    return known


def pay(service: Service, token: str) -> tuple[str, str]:
    """Order something for 998 cents and pay it; return the ids of the order and of the request that paid.

    Raises:
        CommandError: the service refused something.
    """
    orders = f"{service.url}/api/v1/orders"
    tea = {"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}
    placed = _expect(201, client.call("POST", orders, body={"lines": [tea]}, token=token))
    order_id = str(placed.json()["id"])
    paid = _expect(200, client.call("POST", f"{orders}/{order_id}/pay", token=token))
    return order_id, paid.request_id


def answers(url: str) -> bool:
    """Return whether something answers there with 200."""
    try:
        return client.call("GET", url).status == 200
    except OSError:
        return False


def job_events(service: Service) -> list[dict[str, Any]]:
    """Return the log's events of the job that delivers receipts."""
    return [event for event in service.events("job") if event["job"] == "deliver_receipt"]


def _expect(status: int, response: client.Answer) -> client.Answer:
    if response.status != status:
        raise CommandError(str(response))
    return response
