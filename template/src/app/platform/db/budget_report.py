"""What `pool-budget` prints: the limits, the connections that the service may open, and whether they fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.platform.db.limits import Limit, Usage
from app.platform.db.pool import PoolNumbers

SHOWN_APPLICATIONS = 10


@dataclass(frozen=True, slots=True)
class Need:
    """Connections that processes of one kind may open.

    Attributes:
        kind: the kind.
        terms: how many there are.
        pools: connection pools among them.
        alone: connections outside of pools.
    """

    kind: str
    terms: str
    pools: int = 0
    alone: int = 0

    def connections(self, numbers: PoolNumbers) -> int:
        """Return how many they are with pools of this size."""
        return self.pools * numbers.total + self.alone


def limits(found: Sequence[Limit], usage: Usage) -> Iterator[str]:
    """Yield the table of limits, and who uses connections now."""
    yield f"{'limit':<32}{'allows':>8}{'reserved':>10}{'others':>8}{'left':>8}"
    for each in found:
        yield f"{each.name:<32}{each.most:>8}{each.reserved:>10}{each.others:>8}{each.available:>8}"
    if not usage.known:
        yield "This role may not read pg_stat_activity: others count as 0, unless --others says how many to leave."
        return
    yield f"Open now: {usage.ours} of this role to this database, which count as the service's, and"
    for application, here, count in usage.others[:SHOWN_APPLICATIONS]:
        yield f"  {count} {application or '(without a name)'}, {'to this database' if here else 'to other databases'}"
    if hidden := usage.total - sum(count for *_, count in usage.others[:SHOWN_APPLICATIONS]):
        yield f"  {hidden} of further applications"
    if not usage.others:
        yield "  none of others"


def needs(found: Sequence[Need], numbers: PoolNumbers) -> Iterator[str]:
    """Yield the table of connections that the service may open."""
    yield f"{'connections':<32}{'x (size + overflow)':>26}{'at most':>8}"
    for each in found:
        terms = f"{each.terms} x ({numbers.size} + {numbers.overflow})" if each.pools else each.terms
        if most := each.connections(numbers):
            yield f"{each.kind:<32}{terms:>26}{most:>8}"
    yield f"{'in all':<58}{_total(found, numbers):>8}"


def verdict(found: Sequence[Limit], wanted: Sequence[Need], numbers: PoolNumbers) -> tuple[list[str], bool]:
    """Return whether the connections fit, and the lines that say so or what would fit."""
    total = _total(wanted, numbers)
    lacking = [each for each in found if total > each.available]
    if not lacking:
        return [f"fits: {total} of {min(each.available for each in found)} connections"], True
    lines = [f"does not fit: {total} connections, but {each.name} leaves {each.available}" for each in lacking]
    left = min(each.available for each in lacking) - sum(each.alone for each in wanted)
    if (most := left // max(1, sum(each.pools for each in wanted))) > 0:
        lines.append(f"DB_POOL_SIZE and DB_MAX_OVERFLOW of together {most} would fit")
    else:
        lines.append(
            "no pool would fit: fewer processes, a higher limit, or a pooler (DB_POOL_PROFILE=external_pooler)"
        )
    return lines, False


def at_the_pooler(found: Sequence[Limit], migrations: int) -> Iterator[str]:
    """Yield what to compare where an external pooler holds the connections."""
    left = max(0, min(each.available for each in found) - migrations)
    yield "DB_POOL_PROFILE=external_pooler: a process keeps no connection, and the pooler decides how many there are."
    yield "Compare in its configuration (the names are those of PgBouncer):"
    yield f"  default_pool_size + reserve_pool_size: at most {left} for this role and database, over all poolers;"
    yield f"    {migrations} more for migrations, which connect to PostgreSQL itself"
    yield "  max_db_connections, max_user_connections: not below these"
    yield "  max_client_conn: at least the requests and jobs that use the database at a time, of all processes"


def _total(found: Sequence[Need], numbers: PoolNumbers) -> int:
    return sum(each.connections(numbers) for each in found)
