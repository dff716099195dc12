"""A broker that a test can kill, and start again on the same port."""

import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.binaries import find_redis
from dev.process import Supervised, Surroundings, serving


@contextmanager
def broker(port: int) -> Iterator[str]:
    """Run a Redis-protocol server without persistence, and yield its URL; kill it at the end, as `kill -9` does."""
    with tempfile.TemporaryDirectory(prefix="dev-broker-") as name:
        around = Surroundings(home=Path(name), log=Path(name) / "log")

        def start(port: int) -> Supervised:
            options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", name, "--save", "", "--appendonly", "no"]
            return Supervised([str(find_redis()), *options], around, stop=((signal.SIGKILL, 5),))

        with serving("the broker", start, _answers, around.log, port):
            yield f"redis://127.0.0.1:{port}/0"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
