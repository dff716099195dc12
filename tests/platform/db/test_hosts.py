"""Several hosts in `DATABASE_URL`: the first that answers and is of the wanted kind is used."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from app.platform import metrics
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from dev.services import postgres
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import growth, opened
from tests.support.databases import execute, settings_for

TWIN = "CREATE ROLE twin LOGIN SUPERUSER PASSWORD 'twin'"


def port_of(url: str) -> int:
    port = make_url(url).port
    assert port
    return port


@dataclass(frozen=True)
class Servers:
    """The ports of a primary, of a standby, and of nobody."""

    primary: int
    standby: int
    nobody: int = 1

    def url(self, names: str, words: str = "") -> str:
        hosts = ",".join(f"127.0.0.1:{getattr(self, name)}" for name in names.split(","))
        return f"postgresql://twin:twin@{hosts}/app?{words}"


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    data = tmp_path_factory.mktemp("standby") / "data"
    with ExitStack() as running:
        primary = running.enter_context(postgres())
        await execute(primary, TWIN)
        with postgres(data) as url:
            await execute(url, TWIN)
        # it waits for changes of a primary that it does not know
        (data / "standby.signal").touch()
        standby = running.enter_context(postgres(data))
        yield Servers(port_of(primary), port_of(standby))


async def port_used(url: str, **values: object) -> int | None:
    """Return the port of the server that a new connection reaches."""
    database = Database(settings_for(url, **values))
    await database.init()
    try:
        async with database.read() as session:
            port: int | None = await session.scalar(text("SELECT inet_server_port()"))
            return port
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("hosts", "kind", "expected"),
    [
        ("standby,primary", "any", "standby"),
        ("standby,primary", "read-write", "primary"),
        ("standby,primary", "primary", "primary"),
        ("primary,standby", "standby", "standby"),
        ("primary,standby", "read-only", "standby"),
        ("primary,standby", "prefer-standby", "standby"),
        ("nobody,primary", "prefer-standby", "primary"),
        ("nobody,primary", "any", "primary"),
        ("nobody,standby,primary", "read-write", "primary"),
    ],
)
async def test_first_host_of_the_wanted_kind_is_used(servers: Servers, hosts: str, kind: str, expected: str) -> None:
    url = servers.url(hosts, f"target_session_attrs={kind}")
    assert await port_used(url) == getattr(servers, expected)


async def test_database_that_only_reads_is_not_for_writing(servers: Servers) -> None:
    only_reads = "ALTER ROLE twin SET default_transaction_read_only = "
    primary = servers.url("primary")
    await execute(primary, f"{only_reads} on")
    try:
        assert await port_used(servers.url("primary,standby", "target_session_attrs=primary")) == servers.primary
        with pytest.raises(DatabaseUnavailable):
            await port_used(servers.url("primary,standby", "target_session_attrs=read-write"))
    finally:
        await execute(primary, "SET default_transaction_read_only = off", f"{only_reads} off")


@pytest.mark.parametrize("hosts", ["standby", "nobody", "standby,nobody"])
async def test_no_host_of_the_wanted_kind(servers: Servers, hosts: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await port_used(servers.url(hosts, "target_session_attrs=primary"))


@contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_host_that_does_not_answer_leaves_time_for_the_next(servers: Servers) -> None:
    with silent_port() as silent:
        url = Servers(servers.primary, servers.standby, silent).url("nobody,primary")
        started = time.monotonic()
        assert await port_used(url, connect_timeout=3.0) == servers.primary
        # the silent host has used up what one host may take
        assert time.monotonic() - started >= 3


async def test_load_can_be_spread(servers: Servers) -> None:
    url = servers.url("primary,standby", "load_balance_hosts=random")
    # the chance that one is used 30 times is one in half a milliard
    assert {await port_used(url) for _ in range(30)} == {servers.primary, servers.standby}


@pytest.mark.parametrize("form", ["?host=127.0.0.1:{}&host=127.0.0.1:{}", "?host=127.0.0.1,127.0.0.1&port={},{}"])
async def test_hosts_in_the_query(servers: Servers, form: str) -> None:
    url = f"postgresql://twin:twin@/app{form.format(servers.standby, servers.primary)}&target_session_attrs=primary"
    assert await port_used(url) == servers.primary


async def test_connections_go_to_the_other_host_when_the_first_is_gone(servers: Servers) -> None:
    with ExitStack() as running:
        first = running.enter_context(postgres())
        await execute(first, TWIN)
        url = Servers(port_of(first), servers.standby, servers.primary).url("primary,nobody")
        database = Database(settings_for(f"{url}target_session_attrs=read-write", pool_ping_idle=0.0))
        await database.init()
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT inet_server_port()")) == port_of(first)
        running.close()
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT inet_server_port()")) == servers.primary
        await database.close()


async def test_connections_to_a_former_primary_are_thrown_away(servers: Servers) -> None:
    """A name that leads to the primary leads to another server after a fail-over; the old one only reads now."""
    async with SilentProxy(servers.url("standby")).running() as proxy, opened(proxy.url, pool_size=2) as database:

        async def port() -> int | None:
            async with database.transaction() as session:
                used: int | None = await session.scalar(text("SELECT inet_server_port() FROM pg_sleep(0.1)"))
                return used

        assert set(await asyncio.gather(port(), port())) == {servers.standby}
        proxy.lead_to(servers.url("primary"))
        with growth(metrics.DB_ERRORS) as grown, pytest.raises(DBAPIError) as refused:
            async with database.transaction() as session:
                await session.execute(text("CREATE TABLE new (id integer)"))
        assert isinstance(translate(refused.value), DatabaseUnavailable)
        assert grown == {"read_only": 1}
        assert set(await asyncio.gather(port(), port())) == {servers.primary}
