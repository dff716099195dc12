"""A scratch project that holds nothing but the developer servers."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import dev

PACKAGE = Path(dev.__file__).parent
PATIENCE = 60


class Project:
    """A directory with a copy of ``dev/``, so that the real ``.dev/`` is never touched."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / ".dev" / "postgres"
        # Nobody must be able to come in, for machines where root cannot make user namespaces.
        root.chmod(0o755)
        shutil.copytree(PACKAGE, root / "dev", ignore=shutil.ignore_patterns("__pycache__"))

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.root,
            env={**inherited, "TMPDIR": str(self.root), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str, str]:
        with self.start("-m", "dev.services", *command, **environment) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    def complaint(self, *command: str, **environment: str) -> str:
        """Run what must fail, in one line and without running the command."""
        status, output, errors = self.run("run", "echo", "ran", *command, **environment)
        assert (status, output) == (1, "")
        assert errors.startswith("dev.services: ")
        assert errors.count("\n") == 1
        return errors

    def server_pid(self) -> int:
        """Wait until the server is up and return its process id."""
        pid_file = self.data / "postmaster.pid"
        wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text())
        return int(pid_file.read_text().split()[0])

    def temporary(self) -> list[Path]:
        return list(self.root.glob("dev-*-*"))

    def end_servers(self) -> None:
        """Leave nothing behind, also when a test has failed."""
        for file in [*self.root.glob("**/postmaster.pid")]:
            pid = int(file.read_text().split()[0])
            if pid != os.getpid() and alive(pid):
                os.kill(pid, signal.SIGQUIT)
                wait_until(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def exchange(url: str, message: bytes) -> bytes:
    """Send bytes to the server and return the beginning of its answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        connection.sendall(message)
        return connection.recv(100)


def asks_for_scram(url: str) -> bool:
    """Tell whether PostgreSQL answers a start-up message, and wants a password."""
    body = struct.pack("!i", 3 << 16) + b"user\0app\0database\0app\0\0"
    answer = exchange(url, struct.pack("!i", len(body) + 4) + body)
    return answer.startswith(b"R") and b"SCRAM-SHA-256" in answer


def is_gone(url: str) -> bool:
    try:
        exchange(url, b"")
    except ConnectionRefusedError:
        return True
    return False
