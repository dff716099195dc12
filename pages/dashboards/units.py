"""Writes values as Grafana does, by the names of its units."""

from collections.abc import Callable

MINUTE = 60.0
HOUR = 60 * MINUTE


def number(value: float) -> str:
    """Return a number with four digits at most, and a letter for thousands or millions."""
    for letter, size in (("M", 1e6), ("K", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.4g} {letter}"
    return f"{value:.4g}"


def seconds(value: float) -> str:
    """Return a duration in the unit that suits it."""
    if value == 0:
        return "0 s"
    for unit, size in (("hours", HOUR), ("min", MINUTE), ("s", 1.0), ("ms", 1e-3)):
        if abs(value) >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value / 1e-6:.4g} µs"


UNITS: dict[str, Callable[[float], str]] = {
    "ops": lambda value: f"{number(value)} ops/s",
    "percentunit": lambda value: f"{value * 100:.4g}%",
    "reqps": lambda value: f"{number(value)} req/s",
    "s": seconds,
    "short": number,
}
