"""After a fail-over, writes and reads find the new servers without a restart."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.platform.db.errors import translate
from app.platform.db.replicas import reading_from
from app.platform.db.session import Database
from app.platform.errors import AppError
from tests.platform.db.replica.helpers import port_of, port_used, reads_from, replicating, write
from tests.platform.support.replication import Pair, Server, eventually, replicated
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import execute, migrate, settings_for
from tests.support.server import Server as Service
from tests.support.server import serving

TABLE = "CREATE TABLE notes (text text)"
WRITERS = 4


def both(pair: Pair, words: str = "target_session_attrs=primary") -> str:
    """Return the URL that names both servers."""
    return pair.primary.url.replace(pair.primary.host, f"{pair.primary.host},{pair.replica.host}") + f"?{words}"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Yield servers that the test may take apart."""
    async with replicated(tmp_path / "servers") as pair:
        await execute(pair.primary.url, TABLE)
        await pair.caught_up()
        yield pair


@asynccontextmanager
async def opened(url: str, **values: object) -> AsyncIterator[Database]:
    database = Database(settings_for(url, pool_size=WRITERS, max_overflow=0, **values))
    await database.init()
    try:
        yield database
    finally:
        await database.close()


class Load:
    """Units of work that write, all the time, and what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ends = False
        self.saved: list[str] = []
        self.failures: list[AppError | BaseException] = []
        self._tasks = [asyncio.create_task(self._write()) for _ in range(WRITERS)]

    async def end(self) -> None:
        self._ends = True
        await asyncio.gather(*self._tasks)

    async def goes_on(self, count: int = 20) -> None:
        """Wait until some more writes were successful."""
        before = len(self.saved)

        async def some() -> bool:
            return len(self.saved) >= before + count

        await eventually(some)

    async def _write(self) -> None:
        while not self._ends:
            note = str(uuid4())
            try:
                await write(self._database, note)
            except (SQLAlchemyError, AppError) as error:
                self.failures.append((translate(error) or error) if isinstance(error, SQLAlchemyError) else error)
            else:
                self.saved.append(note)
            await asyncio.sleep(0.005)


async def saved(pair: Pair, load: Load) -> Counter[str]:
    """Return how often each note whose commit was confirmed is on the new primary."""
    async with opened(pair.replica.url) as database, database.read() as session:
        there = Counter(await session.scalars(text("SELECT text FROM notes")))
    return Counter({note: there[note] for note in load.saved})


async def finds(database: Database, server: Server) -> bool:
    """Return whether reads go to this server; its connections to another one may just have been lost."""
    try:
        return await port_used(database) == port_of(server)
    except (SQLAlchemyError, AppError):
        return False


async def is_left_out(database: Database) -> bool:
    """Return whether no replica is in use."""
    assert database.replicas
    try:
        await database.replicas.ping()
    except ConnectionError:
        return True
    return False


async def switch(pair: Pair) -> None:
    """Stop the primary, which sends everything before it ends, and promote its standby."""
    await asyncio.to_thread(pair.primary.stop)
    await pair.replica.promote()


async def test_writes_go_on_at_the_new_primary(pair: Pair) -> None:
    async with opened(both(pair)) as database:
        load = Load(database)
        await load.goes_on()
        await switch(pair)
        await load.goes_on()
        await load.end()
        # those in between got the answer that they may be repeated, or that nobody knows
        assert {getattr(each, "status", each) for each in load.failures} <= {503}
        assert set((await saved(pair, load)).values()) == {1}


async def test_replica_and_primary_change_places(pair: Pair) -> None:
    """The former primary comes back as a replica, and reads go there."""
    replicas = both(pair, "")
    async with replicating(both(pair), replicas, replica_max_lag=1.0) as database:
        await reads_from(database, pair.replica)
        await switch(pair)
        pair.primary.follow(pair.replica)
        with reading_from("primary"):
            await eventually(lambda: finds(database, pair.replica))
        # the new primary is no longer a replica
        await eventually(lambda: is_left_out(database))
        await reads_from(database, pair.replica)
        await asyncio.to_thread(pair.primary.start)
        await reads_from(database, pair.primary)
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT inet_server_port()")) == port_of(pair.replica)
        # the user has written
        assert await port_used(database) == port_of(pair.replica)
        await write(database, "after")


async def test_connections_to_a_primary_that_became_read_only_are_dropped(pair: Pair) -> None:
    """The server stays, and so do the connections: only its answers tell."""
    async with opened(both(pair, "target_session_attrs=read-write")) as database:
        load = Load(database)
        await load.goes_on()
        await pair.caught_up()
        read_only = "ALTER SYSTEM SET default_transaction_read_only = on"
        await execute(pair.primary.url, read_only, "SELECT pg_reload_conf()")
        await asyncio.sleep(0.3)
        await pair.caught_up()
        await pair.replica.promote()
        await load.goes_on()
        await load.end()
        assert {getattr(each, "status", each) for each in load.failures} <= {503}
        assert load.failures
        assert set((await saved(pair, load)).values()) == {1}


async def test_a_primary_that_falls_silent_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.platform.db.pool.ANSWER_MARGIN", 0.5)
    async with SilentProxy(pair.primary.url).running() as proxy:
        former, behind = pair.primary.host, proxy.url.partition("@")[2].partition("/")[0]
        url = both(pair).replace(former, behind)
        async with opened(url, statement_timeout=0.5, connect_timeout=1.0) as database:
            load = Load(database)
            await load.goes_on()
            proxy.silent = True
            fell_silent = time.monotonic()
            await pair.caught_up()
            await pair.replica.promote()
            await load.goes_on()
            # the deadline of an answer, then an attempt to connect to the silent host (psycopg: at least 2 s)
            assert time.monotonic() - fell_silent < 12
            await load.end()
            assert {getattr(each, "status", each) for each in load.failures} <= {503}
            assert set((await saved(pair, load)).values()) == {1}


async def test_a_running_service_over_http(pair: Pair, tmp_path: Path) -> None:
    await asyncio.to_thread(migrate, pair.primary.url)
    limits = {"HTTP_RATE_LIMIT": "100000/minute", "HTTP_LOGIN_RATE_LIMIT": "100000/minute"}
    with serving(tmp_path, both(pair), **limits) as server:
        await asyncio.to_thread(server.wait_until_ready)
        answers: list[tuple[str, int]] = []
        running = True
        with ThreadPoolExecutor(WRITERS) as threads:
            clients = [threads.submit(register, server, answers, lambda: running) for _ in range(WRITERS)]
            await eventually(lambda: created(answers, 20))
            await switch(pair)
            before = len([1 for _, status in answers if status == 201])
            await eventually(lambda: created(answers, before + 20))
            running = False
            for each in clients:
                each.result()
        await asyncio.to_thread(server.stop)
    counts = Counter(status for _, status in answers)
    print(f"answers: {dict(counts)}")  # noqa: T201 (shown when the test fails, and with -s)
    assert set(counts) <= {201, 503}
    async with opened(pair.replica.url) as database, database.read() as session:
        there = Counter(await session.scalars(text("SELECT email FROM users")))
    assert {there[email] for email, status in answers if status == 201} == {1}
    # what was refused may be there if its commit was not confirmed, but never twice
    assert set(there.values()) == {1}


async def created(answers: list[tuple[str, int]], least: int) -> bool:
    return len([1 for _, status in answers if status == 201]) >= least


def register(server: Service, answers: list[tuple[str, int]], goes_on: Callable[[], bool]) -> None:
    with httpx.Client(base_url=server.client.base_url, timeout=30) as client:
        while goes_on():
            email = f"{uuid4()}@example.com"
            body = {"email": email, "full_name": "Ada", "password": "correct horse battery staple"}
            answers.append((email, client.post("/api/v1/users", json=body).status_code))
            time.sleep(0.01)
