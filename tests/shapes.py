"""What the composition files of a service look like from 0.4.0 on, and the edits that owners make in the old ones."""

from collections.abc import Mapping

from hooks.imports import rewrite
from hooks.renames import Renames
from tests.releases import Release, order, past_releases

NAMES = {
    f"app.{old}": f"app.{new}"
    for old, new in {
        "auth": "platform.auth",
        "db": "platform.db",
        "errors": "platform.errors",
        "http_client": "platform.http_client",
        "idempotency": "platform.idempotency",
        "orders": "features.orders",
        "payments": "features.payments",
        "proxies": "platform.proxies",
        "rate_limits": "platform.rate_limits",
        "security": "platform.security",
        "tasks": "platform.jobs",
        "users": "features.users",
    }.items()
}
BEFORE = tuple(release for release in past_releases() if order(release.version) < (0, 4))
# releases and answers with different texts in the files that have another shape now
OLD: tuple[tuple[Release, Mapping[str, str]], ...] = (
    *((release, {"data_access": "dao", "db_driver": "psycopg"}) for release in BEFORE),
    *((release, {"task_queue": "arq"}) for release in BEFORE[2:]),
    (BEFORE[-1], {"task_queue": "celery"}),
)

SERVICES = '''\
"""The services, built from the resources of a process. Cheap: nothing is opened here."""

from app.features.orders.service import OrderService
from app.features.users.service import UserService
from app.platform.auth.service import AuthService
from app.resources import Resources


class Services:
    """What the API, a worker or a script calls. They hold no state of a request: one of each serves the process."""

    def __init__(self, resources: Resources) -> None:
        self.users = UserService(resources.database, resources.hasher)
        self.auth = AuthService(resources.database, self.users, resources.settings.auth)
        self.orders = OrderService(resources.database)
        # add your own below
'''
JOBS_SERVICES = SERVICES.replace(
    "        self.orders = OrderService(resources.database)\n",
    "        self.payments = PaymentService(resources.database, resources.http, resources.settings.payments)\n"
    "        self.orders = OrderService(resources.database, on_paid=self.payments.order_paid)\n",
).replace(
    "from app.features.users", "from app.features.payments.service import PaymentService\nfrom app.features.users"
)

RESOURCES = '''\
"""What a process opens once: opened in this order, closed in reverse, also when opening fails half-way."""

from app.config import Settings
from app.platform.resources import PlatformResources


class Resources(PlatformResources[Settings]):
    """The open resources of a process: those of the platform, and the service's own."""

    async def open_own(self) -> None:
        """Open what only this service has; the platform's resources are open by then."""
        # add your own below: self.search = self.add("search", SearchClient(self.settings.search))
'''
ROUTES = '''\
"""All routes of the service, in the order of its OpenAPI document."""

from fastapi import APIRouter

from app.platform.auth.routes import router as auth
from app.platform.composition import modules

ROUTERS: tuple[APIRouter, ...] = (
    auth,
    *(routes.router for routes in modules("routes")),
    # add your own routers below
)
'''
MODELS = '''\
"""All models, for those who need the whole schema: import this, and `Base.metadata` is complete."""

from app.platform.composition import modules
from app.platform.models import Base

__all__ = [
    "Base",
    # add your own below
]

modules("models")
'''
CONFIG = '''\
"""Settings, read once from the environment (and `.env`) at the entry point and passed down from there."""

from dataclasses import dataclass

from app.platform.settings import PlatformSettings, read


@dataclass(frozen=True, slots=True)
class Settings(PlatformSettings):
    """Everything the process was told from outside: the platform's groups, and these."""

    # add your own groups below: search: SearchSettings = group(SearchSettings)


def load_settings() -> Settings:
    """Read all groups."""
    return read(Settings)
'''
JOBS_CONFIG = CONFIG.replace("    # add", "    payments: PaymentSettings = group(PaymentSettings)\n    # add").replace(
    "from app.platform.settings import PlatformSettings, read",
    "from app.features.payments.settings import PaymentSettings\n"
    "from app.platform.settings import PlatformSettings, group, read",
)
PAYMENTS = '''\
"""The settings of the payments."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from app.platform.settings import Seconds, from_environment, split_list

'''


def renamed(text: str) -> str:
    """Rewrite the imports as the step before the carriers does."""
    return rewrite(text, Renames(NAMES))


def changed(text: str, *edits: tuple[str, str]) -> str:
    """Make an owner's edits; each must fit exactly one place.

    Raises:
        LookupError: one does not.
    """
    for before, after in edits:
        if text.count(before) != 1:
            raise LookupError(f"{text.count(before)} times: {before}")
        text = text.replace(before, after)
    return text
