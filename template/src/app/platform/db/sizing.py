"""Recommend a size for the connection pools from the load, by the formulas of docs/tuning.md."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

# connections more than those in use on average
SPARE = 1.5
MOST_SPARE = 2.0


@dataclass(frozen=True, slots=True)
class Load:
    """The load of all instances together; `None` where it is not known.

    Attributes:
        rps: requests a second.
        hold_ms: milliseconds for which a query holds a connection.
        queries: queries of a request, one after the other.
        concurrent: requests at a time.
        cores: cores of the database server.
    """

    rps: float | None = None
    hold_ms: float | None = None
    queries: int | None = None
    concurrent: int | None = None
    cores: int | None = None

    @property
    def known(self) -> bool:
        """Return whether anything is known from which a size follows."""
        return any(each is not None for each in (self.rps, self.concurrent, self.cores))

    def problem(self) -> str | None:
        """Return what is missing for a recommendation; `None` if nothing is."""
        if (self.rps is None) != (self.hold_ms is None):
            return "--rps and --hold-ms belong together"
        if self.queries is not None and self.rps is None and self.concurrent is None:
            return "--queries needs --rps and --hold-ms, or --concurrent"
        return None

    def estimates(self) -> Iterator[tuple[str, str, int]]:
        """Yield each formula whose numbers are known: its name, its terms, and the connections of all processes."""
        queries = self.queries or 1
        if self.rps is not None and self.hold_ms is not None:
            held = self.rps * self.hold_ms * queries / 1000
            terms = f"{self.rps:g} requests/s x {queries} x {self.hold_ms:g} ms x {SPARE:g} to {MOST_SPARE:g}"
            yield "rate", f"{terms} = {_whole(held * SPARE)} to", _whole(held * MOST_SPARE)
        if self.concurrent is not None:
            terms = f"{self.concurrent} requests at a time / {queries} queries x {SPARE:g} ="
            yield "concurrency", terms, _whole(self.concurrent / queries * SPARE)
        if self.cores is not None:
            yield "cores", f"{self.cores} cores x 2, as a start, with overflow 0 =", self.cores * 2


def _whole(connections: float) -> int:
    # rounded first: 30 x 0.1 is a little more than 3
    return max(1, math.ceil(round(connections, 6)))


def recommendation(load: Load, processes: int) -> Iterator[str]:
    """Yield the lines of a recommendation for each of so many processes."""
    found = list(load.estimates())
    yield "recommended, for all processes together:"
    for name, terms, connections in found:
        yield f"  by {name:<12} {terms} {connections}"
    measured = [connections for name, _, connections in found if name != "cores"]
    total = max(measured or [connections for *_, connections in found])
    size = math.ceil(total / processes)
    yield f"  for each of {processes} processes: DB_POOL_SIZE={size}"
    if measured:
        steady, least = math.ceil(size / 4), math.ceil(size / 2)
        yield f"  DB_MAX_OVERFLOW=0 to {steady} for steady traffic, {least} to {size} for bursts"
    else:
        yield "  DB_MAX_OVERFLOW=0"
