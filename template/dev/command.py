"""Runs the developer's command and passes signals on to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from dev.errors import ServiceError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Ends the command when the launcher dies: standard input then ends before a byte arrives.
GUARD = "import os, signal, sys\nif not os.read(0, 1):\n    os.kill(int(sys.argv[1]), signal.SIGTERM)"


class Relay:
    """The launcher's signal handler: aborts the start, passes signals to the command, does not interrupt clean-up."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] | None = None
        self._in_foreground = _in_foreground()
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._child is not None:
            self._pass_on(self._child, number)
        elif self._waiting is not None:
            self._waiting.append(number)
        else:
            raise SystemExit(128 + number)

    def _pass_on(self, child: subprocess.Popen[bytes], number: int) -> None:
        # The terminal has sent Ctrl-C to the command already; a second one could force it to quit.
        if not (number == signal.SIGINT and self._in_foreground):
            child.send_signal(number)

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run the command to its end and return its exit status as a shell would."""
        # From here on, signals do not end the launcher, so that none interrupts the clean-up.
        self._waiting = []
        try:
            self._child = subprocess.Popen(
                command,
                env=environment,
                # Without a terminal, a group of its own keeps a signal to the launcher's group from
                # reaching the command twice; with one, only the foreground group may use the terminal.
                process_group=None if self._in_foreground else 0,
            )
        except OSError as error:
            raise ServiceError(f"cannot run {command[0]}: {error.strerror}") from error
        with _guard(self._child.pid):
            for number in self._waiting:
                self._pass_on(self._child, number)
            status = self._child.wait()
        return status if status >= 0 else 128 - status


@contextmanager
def _guard(pid: int) -> Iterator[None]:
    """End the command if the launcher is killed, so that its port becomes free."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GUARD, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    ) as guard:
        yield
        guard.communicate(b"q")


def _in_foreground() -> bool:
    """Tell whether Ctrl-C in a terminal reaches this process and its children."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
