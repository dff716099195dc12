"""The command line."""

import argparse
from pathlib import Path

from benchmarks import apps

SECTIONS = ("requests", "starvation", "import", "start")
DESCRIPTION = """Measures structural variants of the services and the usual tutorial, in one run on one PostgreSQL.

Sections: requests (cost and speed of each endpoint), starvation (more clients than connections), import (beside COPY),
start (memory and seconds until ready); by default all of them. `jobs` measures background jobs: `jobs --help`;
`restarts` counts requests that restarts lose: `restarts --help`.
The services run with production settings and everything enabled. Only ratios are meaningful, and only those further
from 1.00 than the ratio of the tutorial's twin, which is the same program as the tutorial."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", type=_section, metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5, help="starts of each app (5; take 8 for less than 15 %%)")
    parser.add_argument("--clients", type=int, nargs="+", default=[16, 256], help="of the requests (16 256)")
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest a measurement may take (10)")
    counting = "count instructions by valgrind, if it is there, which takes a minute for each app (yes)"
    parser.add_argument("--instructions", action=argparse.BooleanOptionalAction, default=True, help=counting)
    parser.add_argument("--crowds", type=int, nargs="+", default=[64, 256], help="clients of the starvation (64 256)")
    pools = [(5, 5), (5, 10), (20, 10)]
    sizes = "of the starvation: connections that stay, and more of them (5+5 5+10 20+10)"
    parser.add_argument("--pools", type=_pool, nargs="+", default=pools, metavar="N+N", help=sizes)
    parser.add_argument("--window", type=float, default=4.0, help="seconds of the starvation (4)")
    parser.add_argument("--orders", type=int, default=100_000, help="in an import (100000)")
    large = [200_000, 1_000_000]
    parser.add_argument("--large", type=int, nargs="+", default=large, help="imports for the memory (200000 1000000)")
    _choose(parser)
    options = parser.parse_args(arguments)
    options.sections = [name for name in SECTIONS if not options.sections or name in options.sections]
    return options


def _choose(parser: argparse.ArgumentParser) -> None:
    answers = [answer for offered in apps.STRUCTURES.values() for answer in offered]
    only = "only services with these answers, such as psycopg dao; those with a queue if it is named, such as celery"
    parser.add_argument("--only", nargs="+", default=[], choices=answers, metavar="ANSWER", help=only)
    parser.add_argument("--compare", type=Path, help="another working tree of this repository, measured as well")
    peers = "measure a project of another public template as well, whose endpoints do less (see benchmarks/peer.py)"
    parser.add_argument("--peers", action="store_true", help=peers)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file as well")


def _section(name: str) -> str:
    if name not in SECTIONS:
        message = f"there is no section {name!r}; there are: {', '.join(SECTIONS)}"
        raise argparse.ArgumentTypeError(message)
    return name


def _pool(text: str) -> tuple[int, int]:
    size, _, overflow = text.partition("+")
    if not size.isdecimal() or not overflow.isdecimal():
        message = f"{text!r} is not two numbers such as 5+10"
        raise argparse.ArgumentTypeError(message)
    return int(size), int(overflow)
