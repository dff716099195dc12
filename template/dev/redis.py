"""A throw-away server that speaks the Redis protocol: Redis, or its fork Valkey."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.binaries import find_redis
from dev.process import Supervised, Surroundings, serving

ANSWER_SECONDS = 0.5


@contextmanager
def redis() -> Iterator[str]:
    """Run an empty server without persistence and yield its URL."""
    program = str(find_redis())
    home = Path(tempfile.mkdtemp(prefix="dev-redis-")).resolve()
    around = Surroundings(home=home, log=home / "redis.log")

    def start(port: int) -> Supervised:
        options = {"port": str(port), "bind": "127.0.0.1", "dir": str(home), "save": ""}
        argv = [part for name, value in options.items() for part in (f"--{name}", value)]
        return Supervised([program, *argv, "--appendonly", "no"], around)

    try:
        with serving("Redis", start, lambda port: _is_ours(port, home), around.log) as port:
            yield f"redis://127.0.0.1:{port}/0"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _is_ours(port: int, home: Path) -> bool:
    """Tell whether our server answers: another project's server may have taken the port first."""
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
            connection.sendall(b"CONFIG GET dir\r\n")
            return str(home).encode() in connection.recv(4096)
    except OSError:
        return False
