"""Rate limits in memory, and on a real server with the Redis protocol."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from limits import parse
from redis.asyncio import Redis

from app.platform.db.recent_writers import RecentWriters
from app.platform.patience import RedisUnavailable
from app.platform.rate_limits import RateLimiter
from dev.services import redis as redis_server
from tests.platform.support.busy import burn
from tests.platform.support.certificates import make_certificate
from tests.platform.support.silent_proxy import SilentProxy

LIMIT = parse("3/minute")


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[RateLimiter]:
    limiter = RateLimiter(redis_url if request.param == "redis" else None)
    yield limiter
    await limiter.close()


@pytest.fixture
def unreachable_redis() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}/0"


async def test_refused_request_is_told_when_the_window_ends(limiter: RateLimiter) -> None:
    key = uuid4().hex
    results = [await limiter.hit(LIMIT, key) for _ in range(5)]
    assert [result.remaining for result in results] == [2, 1, 0, 0, 0]
    assert [result.allowed for result in results] == [True, True, True, False, False]
    assert all(0 < result.reset_after <= 60 for result in results)
    assert await limiter.count(LIMIT, key) == 5
    assert (await limiter.hit(LIMIT, uuid4().hex)).remaining == 2


async def test_counters_end_with_their_window(redis_url: str) -> None:
    limiter = RateLimiter(redis_url)
    key = uuid4().hex
    await limiter.hit(LIMIT, key)
    async with Redis.from_url(redis_url) as redis:
        counter = LIMIT.key_for(key)
        assert 0 < await redis.ttl(counter) <= 60
        await redis.expire(counter, 7)
    assert (await limiter.hit(LIMIT, key)).reset_after <= 7
    await limiter.close()


async def test_window_is_renewed(redis_url: str) -> None:
    limiter = RateLimiter(redis_url)
    key = uuid4().hex
    for _ in range(3):
        await limiter.hit(LIMIT, key)
    async with Redis.from_url(redis_url) as redis:
        await redis.expire(LIMIT.key_for(key), 7)
    await limiter.renew(LIMIT, key)
    result = await limiter.hit(LIMIT, key)
    assert (result.remaining, result.reset_after > 7) == (1, True)
    await limiter.close()


async def test_ping(limiter: RateLimiter) -> None:
    await limiter.ping()


async def test_processes_share_their_counts_in_redis(redis_url: str) -> None:
    one, other = RateLimiter(redis_url), RateLimiter(redis_url)
    key = uuid4().hex
    assert (await one.hit(LIMIT, key)).remaining == 2
    assert (await other.hit(LIMIT, key)).remaining == 1
    await one.close()
    await other.close()


async def test_without_redis_each_process_counts_by_itself(unreachable_redis: str) -> None:
    limiter = RateLimiter(unreachable_redis)
    with structlog.testing.capture_logs() as logs:
        results = [await limiter.hit(LIMIT, "ada") for _ in range(4)]
    assert [result.allowed for result in results] == [True, True, True, False]
    assert await limiter.count(LIMIT, "ada") == 4
    # once: the other requests do not wait for Redis again
    assert [log["event"] for log in logs] == ["rate_limit_fallback"]
    # `/readyz` logs the cause
    with pytest.raises(ConnectionError, match=r"does not answer: ConnectionError: .*Connect"):
        await limiter.ping()
    await limiter.close()


async def test_requests_ask_redis_again_after_a_pause(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(redis_url)
    key = uuid4().hex
    limiter._pause(RedisUnavailable("away"))  # noqa: SLF001
    await limiter.hit(LIMIT, key)
    await limiter.renew(LIMIT, key)
    async with Redis.from_url(redis_url) as redis:
        assert await redis.get(LIMIT.key_for(key)) is None
        monkeypatch.setattr(limiter, "_paused_until", 0.0)
        await limiter.hit(LIMIT, key)
        assert await redis.get(LIMIT.key_for(key)) == b"1"
    await limiter.close()


async def test_busy_process_does_not_take_itself_for_a_silent_redis(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.rate_limits._REDIS_TIMEOUT", 0.2)
    limiter = RateLimiter(redis_url)
    key = uuid4().hex

    async def work() -> None:
        # what other requests compute; together it takes longer than Redis may
        burn(0.015)
        await limiter.hit(LIMIT, key)

    await asyncio.gather(*(work() for _ in range(20)))
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(*(work() for _ in range(20)))
    assert logs == []
    async with Redis.from_url(redis_url) as redis:
        assert await redis.get(LIMIT.key_for(key)) == b"40"
    await limiter.close()


async def test_hundreds_at_once_are_counted_in_redis(redis_url: str) -> None:
    """A pool of redis-py refuses those for whom it has no connection, as if Redis had."""
    limiter = RateLimiter(redis_url)
    key = uuid4().hex
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(*(limiter.hit(LIMIT, key) for _ in range(300)))
    assert logs == []
    assert await limiter.count(LIMIT, key) == 300
    await limiter.close()


async def test_end_of_the_process_does_not_wait_for_a_silent_redis() -> None:
    writers: list[asyncio.StreamWriter] = []
    async with asyncio.timeout(20):
        server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        limiter = RateLimiter(f"redis://127.0.0.1:{port}/0")
        with structlog.testing.capture_logs() as logs:
            await limiter.hit(LIMIT, "a")
            await limiter.close()
        assert [each["event"] for each in logs] == ["rate_limit_fallback"]
        server.close()
        for each in writers:
            each.close()
            await each.wait_closed()


async def test_silent_redis_is_not_waited_for_twice(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.platform.rate_limits._REDIS_TIMEOUT", 0.05)
    async with SilentProxy(redis_url).running() as proxy:
        limiter = RateLimiter(proxy.url)
        key = uuid4().hex
        await limiter.hit(LIMIT, key)
        proxy.silent = True
        with structlog.testing.capture_logs() as logs:
            assert [(await limiter.hit(LIMIT, key)).remaining for _ in range(2)] == [2, 1]
        assert [each["event"] for each in logs] == ["rate_limit_fallback"]
        await limiter.close()


async def test_all_that_wait_for_a_silent_redis_are_one_line_of_the_log(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.rate_limits._REDIS_TIMEOUT", 0.05)
    async with SilentProxy(redis_url).running() as proxy:
        limiter = RateLimiter(proxy.url)
        proxy.silent = True
        with structlog.testing.capture_logs() as logs:
            await asyncio.gather(*(limiter.hit(LIMIT, "ada") for _ in range(20)))
        assert [each["event"] for each in logs] == ["rate_limit_fallback"]
        await limiter.close()


async def test_connections_that_redis_has_closed_are_no_outage(redis_url: str) -> None:
    async with SilentProxy(redis_url).running() as proxy:
        limiter = RateLimiter(proxy.url)
        key = uuid4().hex
        await asyncio.gather(*(limiter.hit(LIMIT, key) for _ in range(5)))
        proxy.cut()
        with structlog.testing.capture_logs() as logs:
            await asyncio.gather(*(limiter.hit(LIMIT, key) for _ in range(5)))
        assert logs == []
        assert await limiter.count(LIMIT, key) == 10
        await limiter.close()


async def test_server_that_a_fail_over_has_made_read_only_is_left(redis_url: str) -> None:
    with redis_server() as own_redis:
        async with SilentProxy(own_redis).running() as proxy, Redis.from_url(own_redis) as demoted:
            limiter = RateLimiter(proxy.url)
            key = uuid4().hex
            await limiter.hit(LIMIT, key)
            await demoted.replicaof("127.0.0.1", "1")
            # new connections reach the new primary, open ones stay with the old one
            proxy.lead_to(redis_url)
            with structlog.testing.capture_logs() as logs:
                await asyncio.gather(*(limiter.hit(LIMIT, key) for _ in range(3)))
            assert logs == []
            async with Redis.from_url(redis_url) as redis:
                assert await redis.get(LIMIT.key_for(key)) == b"3"
            await limiter.close()


async def test_reads_leave_it_as_well(redis_url: str) -> None:
    user = uuid4()
    with redis_server() as own_redis:
        async with SilentProxy(own_redis).running() as proxy, Redis.from_url(own_redis) as demoted:
            limiter, writers = RateLimiter(proxy.url), RecentWriters(5, proxy.url, "service")
            assert (await limiter.count(LIMIT, "x"), await writers.has(user)) == (0, False)
            await demoted.replicaof("127.0.0.1", "1")
            proxy.lead_to(redis_url)
            async with Redis.from_url(redis_url) as redis:
                key = uuid4().hex
                await redis.set(LIMIT.key_for(key), 2, ex=5)
                await redis.set(f"recent_writer/service/{user}", 1, ex=5)
            assert (await limiter.count(LIMIT, key), await writers.has(user)) == (2, True)
            await limiter.close()
            await writers.close()


async def test_silent_redis_with_tls_keeps_no_file_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit of ours, each connection that was given up would stay open for half a minute."""
    monkeypatch.setattr("app.platform.rate_limits._REDIS_TIMEOUT", 0.5)
    monkeypatch.setattr("app.platform.redis_client.GOODBYE", 0.1)
    encrypted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    encrypted.load_cert_chain(*make_certificate(tmp_path, "localhost"))
    encrypting = asyncio.Event()
    server = await asyncio.start_server(lambda *_: encrypting.set(), "127.0.0.1", 0, ssl=encrypted)
    port = server.sockets[0].getsockname()[1]
    async with SilentProxy(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none").running() as proxy, asyncio.timeout(20):
        limiter = RateLimiter(proxy.url)
        asking = asyncio.ensure_future(limiter.hit(LIMIT, "ada"))
        await encrypting.wait()
        proxy.silent = True
        await asking
        while proxy.connected:  # noqa: ASYNC110 (the proxy sends no event)
            await asyncio.sleep(0.01)
        await limiter.close()
    server.close()
