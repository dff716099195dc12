"""Runs `make load` of a project, and finds the processes that it starts."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.project import Project
from tests.shell import environment

SECONDS = 240


class Loading:
    """`make load`, in a session of its own."""

    def __init__(self, project: Project, **variables: str) -> None:
        self._report = project.root / ".dev/load/load-report.json"
        self._report.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["make", "load"],
            cwd=project.root,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines = iter(self.process.stdout or ())
        self.printed = ""

    def until(self, beginning: str) -> None:
        """Wait for a line that begins so."""
        for line in self._lines:
            self.printed += line
            if line.startswith(beginning):
                return
        raise AssertionError(self.printed)

    def ended(self) -> tuple[int, dict[str, Any]]:
        """Return the exit status of `make`, and the results."""
        self.printed += "".join(self._lines)
        return self.process.wait(SECONDS), json.loads(self._report.read_text())

    def pid(self, command: list[str]) -> int:
        """Return the process with this command of Python: only one that descends from this `make` can be it."""
        parents, commands = processes()
        family = {self.process.pid}
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        (found,) = (pid for pid in family if commands.get(pid, [])[1:] == command)
        return found


def processes() -> tuple[dict[int, int], dict[int, list[str]]]:
    """Return the parent and the command of each process."""
    parents, commands = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(entry.name)
            # the name in parentheses may have blanks; state and parent follow
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            commands[pid] = (entry / "cmdline").read_text(errors="replace").split("\0")[:-1]
    return parents, commands


@contextmanager
def loading(project: Project, **variables: str) -> Iterator[Loading]:
    """Run `make load` with these variables; stop what is left of it at the end of the block."""
    started = Loading(project, **variables)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            # its session is this `make` with all that it started
            os.killpg(started.process.pid, signal.SIGTERM)
            started.process.wait(SECONDS)
        if started.process.stdout:
            started.process.stdout.close()
