"""Sample data for development and load tests, made through the services: `make seed n=100`."""

import argparse

from pydantic import SecretStr

from app import features
from app.features.users.errors import EmailTaken
from app.features.users.schemas import UserCreate
from app.platform.composition import feature_modules
from app.platform.errors import StartupError
from app.platform.settings import Environment, PlatformSettings
from app.services import Services

PASSWORD = "correct horse battery"  # noqa: S105 (of accounts that exist in development only)
MOST_USERS = 10_000


def seed_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m app seed`."""
    parser.add_argument("users", type=_number, nargs="?", default=10, help=f"at most {MOST_USERS} (default: 10)")


def _number(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= MOST_USERS:
        message = f"expected 1 to {MOST_USERS}, not {given}"
        raise argparse.ArgumentTypeError(message)
    return int(given)


async def add_sample_users(settings: PlatformSettings, services: Services, users: int) -> str:
    """Make sure that there are so many sample users, and return what was added.

    A feature adds what its users have with the function `add_for` in its module `sample_data`; it is called for new
    users only, so that a second run adds nothing.

    Raises:
        StartupError: this is not development.
    """
    if settings.process.environment is not Environment.DEVELOPMENT:
        message = "sample users have a known password: they are made with ENVIRONMENT=development only"
        raise StartupError(message)
    modules = feature_modules(features, "sample_data")
    added = 0
    for number in range(1, users + 1):
        data = UserCreate(email=f"user-{number}@example.com", password=SecretStr(PASSWORD), full_name=f"User {number}")
        try:
            user = await services.users.create(data)
        except EmailTaken:
            continue
        added += 1
        for module in modules:
            await module.add_for(services, user.id)
    return f"{added} users added, {users - added} were there; their password is: {PASSWORD}"
