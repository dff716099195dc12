"""The services, built from the resources of a process. Cheap: nothing is opened here."""

from dataclasses import dataclass

from app.auth.service import AuthService
from app.orders.service import OrderService
from app.resources import Resources
from app.users.service import UserService


@dataclass(frozen=True, slots=True)
class Services:
    """What the API, a worker or a script calls."""

    users: UserService
    orders: OrderService
    auth: AuthService
    # add your own below


def build_services(resources: Resources) -> Services:
    """The services on these resources; they hold no state of a request, so one of each serves the whole process."""
    users = UserService(resources.database, resources.hasher)
    return Services(
        users=users,
        orders=OrderService(resources.database),
        auth=AuthService(resources.database, users, resources.settings.auth),
        # add your own below
    )
