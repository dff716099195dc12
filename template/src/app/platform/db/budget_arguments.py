"""The arguments of the command `pool-budget`."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.platform import job_processes
from app.platform.db.sizing import Load

MOST = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run at a time.

    Attributes:
        instances: instances that serve HTTP.
        surge: instances that a deployment starts before it stops old ones.
        workers: processes of an instance; `None` means `HTTP_WORKERS`.
        listeners: connections of each HTTP process outside its pool.
        job_workers: job workers of the service.
        job_pool: the pool of each of their processes; `None` means that of the settings.
        migrations: processes that migrate or wait for their turn.
        commands: other commands.
        others: connections to leave for others; `None` means those that they use now.
    """

    instances: int
    surge: int
    workers: int | None
    listeners: int
    job_workers: int
    job_pool: int | None
    migrations: int
    commands: int
    others: int | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m app pool-budget`."""
    parser.epilog = "Exit status: 0 it fits, 1 it does not fit or PostgreSQL cannot be asked, 2 wrong arguments."
    plan = parser.add_argument_group("processes and connections")
    plan.add_argument("--instances", type=_whole(1), default=1, metavar="N", help="that serve HTTP (1)")
    surge = "instances that a deployment starts before it stops old ones (0)"
    plan.add_argument("--surge", type=_whole(0), default=0, metavar="N", help=surge)
    plan.add_argument("--workers", type=_whole(1), metavar="N", help="processes of an instance (HTTP_WORKERS)")
    listeners = "connections of each of them outside the pool, such as those of listening() (0)"
    plan.add_argument("--listeners", type=_whole(0), default=0, metavar="N", help=listeners)
    if job_processes.QUEUE:
        plan.add_argument("--job-workers", type=_whole(0), default=1, metavar="N", help="`python -m app worker` (1)")
        pool = "size + overflow of each process of a job worker (DB_POOL_SIZE + DB_MAX_OVERFLOW)"
        plan.add_argument("--job-pool", type=_whole(1), metavar="N", help=pool)
    migrations = "processes that migrate, or wait for their turn (1)"
    plan.add_argument("--migrations", type=_whole(0), default=1, metavar="N", help=migrations)
    plan.add_argument("--commands", type=_whole(0), default=1, metavar="N", help="other commands at a time (1)")
    others = "connections to leave for others (those they use now)"
    plan.add_argument("--others", type=_whole(0), metavar="N", help=others)
    _add_load(parser.add_argument_group("to recommend a size", "of all instances together"))
    # the function of the command uses it to refuse arguments that do not belong together
    parser.set_defaults(refuse=parser.error)


def _add_load(group: Any) -> None:
    group.add_argument("--rps", type=_number, metavar="N", help="requests a second")
    group.add_argument("--hold-ms", type=_number, metavar="MS", help="for which one query holds a connection")
    group.add_argument("--queries", type=_whole(1), metavar="N", help="of a request (1)")
    group.add_argument("--concurrent", type=_whole(1), metavar="N", help="requests at a time")
    group.add_argument("--cores", type=_whole(1), metavar="N", help="of the database server")


def read(options: dict[str, Any]) -> tuple[Plan, Load]:
    """Return the plan and the load; refuse numbers that do not belong together, with exit status 2."""
    refuse: Callable[[str], None] = options.pop("refuse")
    load = Load(**{name: options.pop(name) for name in ("rps", "hold_ms", "queries", "concurrent", "cores")})
    if problem := load.problem():
        refuse(problem)
    return Plan(**{"job_workers": 0, "job_pool": None} | options), load


def _whole(least: int) -> Callable[[str], int]:
    def read_whole(given: str) -> int:
        if not given.isascii() or not given.isdigit() or not least <= int(given[:10]) <= MOST:
            message = f"expected a whole number from {least} to {MOST}, not {given!r}"
            raise argparse.ArgumentTypeError(message)
        return int(given)

    return read_whole


def _number(given: str) -> float:
    """Parse a number; refuse `nan`, which compares false to everything."""
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST:
        message = f"expected a number above 0, up to {MOST}, not {given!r}"
        raise argparse.ArgumentTypeError(message)
    return number
