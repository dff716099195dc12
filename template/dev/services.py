"""Developer servers: ``python -m dev.services run [--] COMMAND…``.

Starts what the command needs and nobody has given, a PostgreSQL whose data stays in
``.dev/postgres``, runs the command with DATABASE_URL set, and stops everything after it. A
DATABASE_URL in the environment or in ``.env`` is used as it is. Tests use ``postgres()`` and
``redis()``.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from dev.command import Relay
from dev.errors import ServiceError
from dev.postgres import postgres
from dev.redis import redis

__all__ = ["ServiceError", "main", "postgres", "redis"]

ROOT = Path(__file__).resolve().parents[1]

# What the application needs, by the variable that gives it: one line for each further server.
SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "DATABASE_URL": lambda: postgres(ROOT / ".dev" / "postgres"),
}


def missing() -> list[str]:
    """Return the variables that neither the environment nor ``.env`` sets."""
    # Imported late: the test-suite uses this module without it.
    from dotenv import dotenv_values  # noqa: PLC0415

    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    return [name for name in SERVERS if not given.get(name)]


def parse(arguments: Sequence[str]) -> list[str]:
    """Return the command to run."""
    verb, *command = arguments or [""]
    if command[:1] == ["--"]:
        command = command[1:]
    if verb != "run" or not command:
        raise ServiceError("usage: python -m dev.services run [--] COMMAND [ARGUMENT ...]")
    return command


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit status."""
    try:
        command = parse(arguments)
        relay = Relay()
        with ExitStack() as stack:
            started = {name: stack.enter_context(SERVERS[name]()) for name in missing()}
            return relay.run(command, {**os.environ, **started})
    except ServiceError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    except UnicodeDecodeError as error:
        problem = f"a file is not text in UTF-8: {error}"
    sys.stderr.write(f"dev.services: {problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
