"""Opens psql on the service's database: `make psql`, or `make psql c="select 1"`."""

import os
import sys
from pathlib import Path
from urllib.parse import unquote

from dotenv import dotenv_values

from dev.binaries import find_client
from dev.errors import ServiceError

ROOT = Path(__file__).resolve().parents[1]


def without_password(url: str) -> tuple[str, str | None]:
    """Return the URL as libpq reads it, and its password, which other users would see among a command's arguments."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, hosts = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    return f"{scheme.partition('+')[0]}://{user}{at}{hosts}{slash}{path}", unquote(password) or None


def main(arguments: list[str]) -> int:
    """Replace this process by psql; return 1 after an error that is said in one line."""
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    try:
        if not (url := given.get("DATABASE_URL")):
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
