"""The commands of the service: `python -m app --help`."""

import argparse
import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta

import uvicorn

from app import idempotency, logging
from app.config import (
    ConfigError,
    DatabaseSettings,
    LogSettings,
    ProcessSettings,
    load,
    load_settings,
)
from app.db import migrations
from app.errors import AppError, StartupError
from app.main import create_app
from app.resources import open_resources
from app.services import build_services


def api() -> None:
    """Serve HTTP until SIGTERM or SIGINT; requests in flight are finished."""
    http = load_settings().http
    # uvicorn repeats the signal that stopped it once it is done; by then it has done its work
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=http.host,
        port=http.port,
        workers=http.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=http.forwarded_allow_ips,
        timeout_graceful_shutdown=http.shutdown_timeout,
    )


def migrate() -> None:
    """Bring the database schema up to date."""
    load(DatabaseSettings)
    migrations.upgrade()


def openapi() -> None:
    """Print the OpenAPI document."""
    json.dump(create_app(load_settings()).openapi(), sys.stdout, indent=2)


def grant_admin(email: str) -> None:
    """Make a registered user an administrator."""

    async def run() -> None:
        async with open_resources(load_settings()) as resources:
            await build_services(resources).users.grant_admin(email)

    asyncio.run(run())


def prune() -> None:
    """Delete expired refresh tokens, and idempotency keys older than a day."""

    async def run() -> None:
        async with open_resources(load_settings()) as resources:
            tokens = await build_services(resources).auth.forget_expired()
            async with resources.database.transaction() as session:
                keys = await idempotency.forget(session, datetime.now(UTC) - timedelta(days=1))
        sys.stdout.write(f"{tokens} refresh tokens, {keys} idempotency keys\n")

    asyncio.run(run())


def main() -> None:
    """Run one command; a problem that somebody can mend is said in one line, with exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in (api, migrate, openapi, prune, grant_admin):
        name = command.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        if command is grant_admin:
            sub.add_argument("email")
    arguments = vars(parser.parse_args())
    try:
        logging.configure(load(LogSettings), load(ProcessSettings).environment)
        arguments.pop("command")(**arguments)
    except (AppError, ConfigError, StartupError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
