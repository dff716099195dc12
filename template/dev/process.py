"""Starts a server under its watchdog and waits, up to a limit, until it answers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dev.errors import ServiceError
from dev.identity import Identity

StopSteps = tuple[tuple[signal.Signals, float], ...]

POLITE: StopSteps = ((signal.SIGTERM, 5), (signal.SIGKILL, 5))
START_SECONDS = 60.0
STOP_SECONDS = 30.0
PORT_ATTEMPTS = 5
TAIL_LINES = 4


@dataclass(frozen=True)
class Surroundings:
    """The settings that all processes of one server share."""

    home: Path
    """Temporary directory, removed by the watchdog if the launcher vanishes."""
    log: Path
    identity: Identity = field(default_factory=Identity)
    keep: tuple[int, ...] = ()
    """Lock files that every process keeps open, so that the lock lasts until the last process ends."""


class Supervised:
    """A process that does not outlive this one."""

    def __init__(self, argv: list[str], around: Surroundings, *, stop: StopSteps = POLITE, text: str = "") -> None:
        identity = around.identity
        spec = {
            "argv": [*identity.prefix, *argv],
            "user": identity.user,
            "keep": around.keep,
            "stop": stop,
            "input": text,
            "remove": str(around.home),
        }
        watchdog = str(Path(__file__).with_name("watchdog.py"))
        with around.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog, json.dumps(spec)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_environment(),
                pass_fds=around.keep,
                # A session of its own: Ctrl-C in the terminal is for the application alone.
                start_new_session=True,
            )
        identity.own(around.log)

    def running(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, or None if the process runs longer than that."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Stop the process; the watchdog itself escalates to harsher signals."""
        if self._process.stdin is not None:
            # Send a byte, not only end of file: a forked process may still hold the pipe open.
            with suppress(BrokenPipeError):
                self._process.stdin.write(b"q")
            self._process.stdin.close()
        if self.wait(STOP_SECONDS) is None:
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    """Return our environment without variables that change a server's behaviour or messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def tail(log: Path) -> str:
    """Return the first error and the last lines of a log file, joined into one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # After an error such as a full disk, many lines report only its consequences.
    errors = [i for i, line in enumerate(lines[:-TAIL_LINES]) if re.search("error:|ERROR:|FATAL:|PANIC:", line)]
    first = lines[errors[0] : -TAIL_LINES][:2] if errors else []
    return " | ".join(first + lines[-TAIL_LINES:]) or "(empty)"


def run_step(what: str, argv: list[str], around: Surroundings, text: str = "") -> None:
    """Run one preparation command; raise ServiceError unless it succeeds."""
    step = Supervised(argv, around, text=text)
    try:
        status = step.wait(START_SECONDS)
    finally:
        step.stop()
    if status != 0:
        result = "took too long" if status is None else f"failed with exit status {status}"
        raise ServiceError(f"{what} {result}; end of its log: {tail(around.log)}")


def free_port() -> int:
    """Return a TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    what: str, start: Callable[[int], Supervised], is_ready: Callable[[int], bool], log: Path, wanted: int | None = None
) -> Iterator[int]:
    """Run a server on the wanted port, else on a free one; try again if another process took the port first."""
    for _ in range(PORT_ATTEMPTS):
        port = wanted or free_port()
        server = start(port)
        try:
            if _wait_until_ready(server, is_ready, port):
                yield port
                return
        finally:
            server.stop()
        if "Address already in use" not in log.read_text(errors="replace"):
            break
    raise ServiceError(f"{what} did not start; end of its log: {tail(log)}")


def _wait_until_ready(server: Supervised, is_ready: Callable[[int], bool], port: int) -> bool:
    """Wait until the server answers; False if it ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while server.running() and time.monotonic() < deadline:
        if is_ready(port):
            return True
        time.sleep(0.02)
    return False
