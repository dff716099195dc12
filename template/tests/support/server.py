"""Run the service and its commands in processes of their own, as in production."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2 as httpx

PATIENCE = 60
SECRET = "s" * 32
# values of your own settings that have no default
OWN: dict[str, str] = {
    # add your own below: "SEARCH_API_KEY": "key",
}
API = ("app", "api")
# what programs need; nothing else of your shell reaches the processes of tests
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LD_", "DYLD_", "SSL_CERT_", "PG", "COVERAGE_")
_BYTE_CODE = ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")


def environment(database_url: str, **variables: str) -> dict[str, str]:
    """Return the environment of a process: these variables, and none of the developer's own settings."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith((*_INHERITED, *_BYTE_CODE))}
    source = Path(__file__).parents[2] / "src"
    cheap = {"AUTH_ARGON2_TIME_COST": "1", "AUTH_ARGON2_MEMORY_KIB": "64"}
    # nobody asks the service while it stops
    usual = {"DB_POOL_PROFILE": "small", "LOG_JSON": "true", "HTTP_DRAIN_SECONDS": "0"}
    given = {"DATABASE_URL": database_url, "AUTH_SECRET_KEY": SECRET, "PYTHONPATH": str(source)}
    return inherited | cheap | usual | given | OWN | variables


def run_command(working_directory: Path, database_url: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run a command in a process of its own; return its exit status, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=working_directory,
        env=environment(database_url, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class Server:
    """A running service, and a client of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, port: int) -> None:
        self.process = process
        # not through a proxy of the developer's
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False)
        self._log = log

    def wait_until_ready(self) -> None:
        """Wait until the service answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, "the service does not become ready"
            time.sleep(0.05)

    def stop(self) -> tuple[int, str]:
        """Ask the process to end; return its exit status and its log."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for the end of the process; return its exit status and its log."""
        return self.process.wait(PATIENCE), self.log()

    def log(self) -> str:
        """Return the log so far."""
        return self._log.read_text()


@contextmanager
def serving(
    working_directory: Path, database_url: str, *, command: Sequence[str] = API, **variables: str
) -> Iterator[Server]:
    """Start the service on a free port; kill it at the end of the block if it still runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        # a file, because a full pipe that is not read would block the service
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=working_directory,
            env=environment(database_url, **({"HTTP_PORT": str(port)} | variables)),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        server = Server(process, Path(log.name), port)
        try:
            yield server
        finally:
            server.client.close()
            with suppress(ProcessLookupError):
                # the process group includes the worker processes
                os.killpg(process.pid, signal.SIGKILL)
