"""Run a real PgBouncer in front of PostgreSQL."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from dev.identity import Identity, choose
from dev.process import Supervised, Surroundings, serving
from tests.platform.support import find_pgbouncer
from tests.support.databases import execute

# PgBouncer refuses these start-up parameters, or drops them where its configuration says so
TIMEOUTS = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout"
DROPPING = f"{TIMEOUTS},options"


@contextmanager
def pgbouncer(
    url: str, *, mode: str = "transaction", servers: int = 5, ignored: str = "", round_robin: bool = False
) -> Iterator[str]:
    """Yield the URL of the database through a PgBouncer that opens at most this number of server connections.

    `ignored` are the start-up parameters that it drops.
    """
    target = make_url(url)
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        home.chmod(0o711)
        identity = choose(home, None)
        identity.own(home)
        command = _runnable(find_pgbouncer.find(), identity, home)
        around = Surroundings(home=home, log=home / "log", identity=identity)
        settings: dict[str, str | int] = {
            "pool_mode": mode,
            "default_pool_size": servers,
            "ignore_startup_parameters": ignored,
            "server_round_robin": int(round_robin),
        }

        def start(port: int) -> Supervised:
            ini = _configure(home, target, {"listen_port": port, **settings})
            for path in home.glob("*.*"):
                identity.own(path)
            return Supervised([*command, str(ini)], around)

        with serving("PgBouncer", start, _answers, around.log) as port:
            yield target.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def limit_role(url: str, **settings: object) -> None:
    """Give the role settings of its own, in this database only: other tests have the same role.

    A server connection of a pooler has them if it is made afterwards.
    """
    role, database = make_url(url).username, make_url(url).database
    for name, value in settings.items():
        await execute(url, f"""ALTER ROLE "{role}" IN DATABASE "{database}" SET {name} = '{value}'""")


def _runnable(command: list[str], identity: Identity, home: Path) -> list[str]:
    """Return the command, or that of a copy where the identity cannot reach the program."""
    if identity.can_run(*command, "--version"):
        return command
    root = home / "pgbouncer"
    shutil.copytree(find_pgbouncer.CACHE, root)
    for path in (root, *root.rglob("*")):
        identity.own(path)
    return find_pgbouncer.command_in(root)


def _configure(home: Path, target: URL, settings: dict[str, str | int]) -> Path:
    """Write PgBouncer's configuration and its list of users."""
    users, ini = home / "users.txt", home / "pgbouncer.ini"
    users.write_text(f"{_quoted(target.username)} {_quoted(target.password)}\n")
    users.chmod(0o600)
    usual = {
        "listen_addr": "127.0.0.1",
        "unix_socket_dir": "",
        # a client of the profile connects for each transaction, and other types cost it milliseconds
        "auth_type": "plain",
        "auth_file": users,
        "max_client_conn": 500,
        "server_login_retry": 1,
    }
    lines = [f"{name} = {value}" for name, value in (usual | settings).items()]
    databases = f"* = host={target.host} port={target.port or 5432}"
    ini.write_text("\n".join(["[databases]", databases, "[pgbouncer]", *lines, ""]))
    return ini


def _quoted(text: str | None) -> str:
    doubled = (text or "").replace('"', '""')
    return f'"{doubled}"'


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
