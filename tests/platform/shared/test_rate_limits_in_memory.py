"""The counters of a process without Redis: they end with their window, and are bounded."""

import pytest
import structlog
from limits import parse

from app.platform.rate_limits import MAX_KEYS, MemoryCounters, RateLimiter

LIMIT = parse("3/minute")


def test_memory_forgets_when_the_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("app.platform.rate_limits.time.monotonic", lambda: now)
    counters = MemoryCounters()
    assert [counters.increment("a", 10) for _ in range(3)] == [1, 2, 3]
    assert counters.seconds_left("a") == 10
    assert counters.seconds_left("unknown") == 0
    now = 1009.0
    assert counters.increment("a", 10) == 4
    now = 1010.0
    assert counters.increment("a", 10) == 1
    for number in range(100):
        counters.increment(f"key-{number}", 10)
    now = 1019.0
    counters.renew("a", 10)
    now = 1028.0
    assert counters.count("a") == 1
    now = 1100.0
    counters.increment("b", 10)
    assert counters.seconds_left("key-1") == 0
    assert len(vars(counters)["_counts"]) == 1


def test_memory_is_bounded_and_a_flood_of_keys_resets_no_busy_key() -> None:
    counters = MemoryCounters()
    assert [counters.increment("guesser", 60) for _ in range(21)][-1] == 21
    with structlog.testing.capture_logs() as logs:
        sizes = []
        for number in range(2 * MAX_KEYS):
            assert counters.increment(f"flood-{number}", 60) == 1
            sizes.append(len(vars(counters)["_counts"]))
    assert max(sizes) == MAX_KEYS
    assert counters.increment("guesser", 60) == 22
    assert counters.increment("newcomer", 60) == 1
    assert [(log["event"], log["log_level"]) for log in logs] == [("rate_limit_keys_forgotten", "warning")] * 2


def test_memory_is_bounded_when_all_keys_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.platform.rate_limits.MAX_KEYS", 100)
    counters = MemoryCounters()
    for number in range(250):
        for _ in range(1 + number % 7):
            counters.increment(f"key-{number}", 60)
        assert len(vars(counters)["_counts"]) <= 100


async def test_long_keys_are_counted_under_short_ones() -> None:
    limiter = RateLimiter()
    long = "x" * 100_000
    assert [(await limiter.hit(LIMIT, key)).remaining for key in (long, long, f"{long}y")] == [2, 1, 2]
    assert max(map(len, vars(vars(limiter)["_memory"])["_counts"])) < 300
