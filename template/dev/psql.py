"""Opens psql on the service's database: `make psql`, or `make psql c="select 1"`."""

import os
import sys
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from app.platform import urls
from app.platform.db import address, connecting
from app.platform.settings import ConfigError, DatabaseSettings
from dev.binaries import find_client
from dev.errors import ServiceError

ROOT = Path(__file__).resolve().parents[1]
# the dialect whose connection arguments are those of libpq; it need not be installed
WITH_LIBPQ = "postgresql+psycopg"
PARTS = ("host", "port", "user", "password", "name", "query")
# parameters for which libpq has no environment variable
SECRETS = frozenset({"oauth_client_secret", "sslpassword"})


def without_password(url: str) -> tuple[str, str | None]:
    """Return libpq's connection string for a URL that the service accepts, and the password, which it does not show.

    Other users see the arguments of a command.

    Raises:
        ServiceError: the service would refuse the URL, or libpq reads a secret of it from no other place.
    """
    try:
        given, words = address.read(DatabaseSettings.model_construct(url=SecretStr(url)), connecting.VOCABULARY)
    except ConfigError as error:
        raise ServiceError(str(error)) from None
    with_libpq = given.set(drivername=WITH_LIBPQ)
    options = dict(with_libpq.get_dialect()().create_connect_args(with_libpq)[1]) | words
    password = options.pop("password", None)
    if secrets := SECRETS.intersection(options):
        raise ServiceError(f"psql would show {', '.join(sorted(secrets))} of DATABASE_URL to other users")
    return " ".join(f"{name}={_quoted(value)}" for name, value in options.items()), password or None


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main(arguments: list[str]) -> int:
    """Replace this process by psql; return 1 after an error that is said in one line."""
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    try:
        parts = {name: given.get(f"DB_{name.upper()}") for name in PARTS}
        if not (url := given.get("DATABASE_URL") or urls.joined(parts)):
            raise ServiceError("DATABASE_URL is not set: `make psql` sets it")
        program = find_client("psql")
        address, password = without_password(url)
        environment = os.environ | ({"PGPASSWORD": password} if password else {})
        os.execve(program, [program, *arguments, address], environment)  # noqa: S606 (its arguments are not for a shell)
    except ServiceError as error:
        sys.stderr.write(f"dev.psql: {error}\n")
    except OSError as error:
        sys.stderr.write(f"dev.psql: cannot run psql: {error.strerror}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
