"""What each connection is like: named, encrypted as asked for, and given up when its server falls silent."""

import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from app.platform.db import words
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import PoolProfile
from dev.services import postgres
from tests.platform.support.certificates import make_certificate
from tests.support.databases import execute, settings_for
from tests.support.server import serving

# macOS has not all of them
TCP_OPTIONS = [
    name for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT") if hasattr(socket, name)
]
OWN = "SELECT {} FROM pg_stat_activity WHERE pid = pg_backend_pid()"


def with_words(url: str, given: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{given}"


async def value(url: str, statement: str, **values: object) -> Any:
    database = Database(settings_for(url, **values))
    await database.init()
    try:
        async with database.read() as session:
            return await session.scalar(text(statement))
    finally:
        await database.close()


async def socket_options(url: str, **values: object) -> dict[str, int]:
    """Return the options of the socket of a new connection."""
    database = Database(settings_for(url, **values))
    await database.init()
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        # asyncpg's connection has no method for it
        number = (driver if hasattr(driver, "fileno") else driver._transport.get_extra_info("socket")).fileno()  # noqa: SLF001
        with socket.socket(fileno=os.dup(number)) as its_socket:
            found = {"SO_KEEPALIVE": its_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}
            for name in TCP_OPTIONS:
                found[name] = its_socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
    await database.close()
    return found


def socket_with(*, idle: int, interval: int, count: int, unconfirmed: int) -> dict[str, int]:
    values = {"TCP_KEEPIDLE": idle, "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": count, "TCP_USER_TIMEOUT": unconfirmed}
    return {"SO_KEEPALIVE": 1} | {name: values[name] for name in TCP_OPTIONS}


async def test_silent_server_is_given_up_after_half_a_minute(server_url: str) -> None:
    found = await socket_options(server_url)
    # 10 + 4 times 5 seconds
    assert found == socket_with(idle=10, interval=5, count=4, unconfirmed=30_000)


@pytest.mark.parametrize("profile", [PoolProfile.SMALL, PoolProfile.EXTERNAL_POOLER])
async def test_time_for_a_silent_server_can_be_set(server_url: str, profile: PoolProfile) -> None:
    found = await socket_options(server_url, dead_peer_timeout=12.0, pool_profile=profile)
    assert found == socket_with(idle=4, interval=2, count=4, unconfirmed=12_000)


async def test_words_of_the_url_win(server_url: str) -> None:
    given = "keepalives_idle=7&keepalives_interval=3&keepalives_count=2&tcp_user_timeout=9000"
    found = await socket_options(with_words(server_url, given))
    assert found == socket_with(idle=7, interval=3, count=2, unconfirmed=9000)
    assert (await socket_options(with_words(server_url, "keepalives=0")))["SO_KEEPALIVE"] == 0


@pytest.mark.parametrize("profile", [PoolProfile.SMALL, PoolProfile.EXTERNAL_POOLER])
async def test_connection_says_whose_it_is(server_url: str, profile: PoolProfile) -> None:
    name = await value(server_url, OWN.format("application_name"), pool_profile=profile, application_name="shop")
    assert re.fullmatch(rf"shop \S+ {os.getpid()}", name)
    long = await value(server_url, OWN.format("application_name"), pool_profile=profile, application_name="s" * 80)
    assert re.fullmatch(rf"s{{20,}} \S+ {os.getpid()}", long)


@pytest.mark.parametrize("word", ["application_name", "fallback_application_name"])
async def test_name_of_the_url_wins(server_url: str, word: str) -> None:
    assert await value(with_words(server_url, f"{word}=my%20own"), OWN.format("application_name")) == "my own"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/service/app/__main__.py", "worker"], "worker"),
        (["/service/app/__main__.py"], "app"),
        (["/lib/uvicorn/__main__.py", "app.main:create_app"], "uvicorn"),
        (["/bin/alembic", "upgrade"], "alembic"),
        ([""], ""),
    ],
)
def test_command_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    settings = settings_for("postgresql://x/y", application_name="shop")
    assert words.application_name(settings) == f"shop {expected} {os.getpid()}"


@pytest.mark.commits
async def test_name_tells_the_process_of_the_api(migrated_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, migrated_url) as server:
        server.wait_until_ready()
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        name = await value(migrated_url, f"SELECT min(application_name) FROM pg_stat_activity WHERE {others}")
    assert re.fullmatch(r"\S+ api \d+", name)


async def test_options_of_the_url_come_beside_the_settings_of_the_service(server_url: str) -> None:
    url = with_words(server_url, "options=-c%20search_path%3Dshop%20-cwork_mem%3D5MB")
    shown = "concat_ws(' ', current_setting('search_path'), current_setting('work_mem'), "
    shown += "current_setting('statement_timeout'), current_setting('timezone'))"
    assert await value(url, f"SELECT {shown}", statement_timeout=7.0) == "shop 5MB 7s UTC"


def give_to_server(data: Path, *files: Path) -> None:
    """Copy files into the directory of a server's data, for its user."""
    for file in files:
        copied = Path(shutil.copy(file, data))
        os.chown(copied, data.stat().st_uid, data.stat().st_gid)
        copied.chmod(0o600)


@pytest.fixture(scope="module")
async def tls_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    """Yield the URL of a server with TLS, for localhost, and the file of its certificate."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"), "localhost")
    with postgres() as url:
        give_to_server(Path(await value(url, "SHOW data_directory")), certificate, key)
        await execute(url, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
        yield make_url(url).set(host="localhost").render_as_string(hide_password=False), certificate


TLS = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
async def test_tls_as_asked_for(tls_url: tuple[str, Path], mode: str) -> None:
    url, _ = tls_url
    assert await value(f"{url}?sslmode={mode}", TLS) is (mode != "disable")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_certificate_of_the_server_is_checked(tls_url: tuple[str, Path], mode: str, tmp_path: Path) -> None:
    url, certificate = tls_url
    assert await value(f"{url}?sslmode={mode}&sslrootcert={certificate}", TLS) is True
    other, _ = make_certificate(tmp_path, "localhost")
    with pytest.raises(DatabaseUnavailable):
        await value(f"{url}?sslmode={mode}&sslrootcert={other}", TLS)
    # the system's own authorities do not know this server
    with pytest.raises(DatabaseUnavailable):
        await value(f"{url}?sslrootcert=system", TLS)


async def test_name_of_the_server_is_checked(tls_url: tuple[str, Path]) -> None:
    url, certificate = tls_url
    elsewhere = make_url(url).set(host="127.0.0.1").render_as_string(hide_password=False)
    assert await value(f"{elsewhere}?sslmode=verify-ca&sslrootcert={certificate}", TLS) is True
    with pytest.raises(DatabaseUnavailable):
        await value(f"{elsewhere}?sslmode=verify-full&sslrootcert={certificate}", TLS)
