"""A PostgreSQL data directory: its contents, its user, and its creation."""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from dev.binaries import PostgresBinaries
from dev.errors import ServiceError
from dev.process import Surroundings, run_step

# lines of postmaster.pid
PORT_LINE = 3
STATUS_LINE = 7
# A UTF-8 locale that every system of its kind has.
LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
PS_SECONDS = 10.0


class Cluster:
    """One data directory and the files beside it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        self.lock = data.with_name(f"{data.name}.lock")
        self._password_file = data.with_name(f"{data.name}.password")
        self._draft = data.with_name(f"{data.name}.new")

    @property
    def major(self) -> str | None:
        """The major version that made the cluster; None if there is no cluster yet."""
        try:
            return (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return None

    @property
    def owner(self) -> int | None:
        """The user id that owns the cluster; None if there is no cluster yet."""
        return self.data.stat().st_uid if self.major else None

    def check(self) -> None:
        """Refuse a data directory that this project cannot use."""
        try:
            self.data.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(f"cannot make {error.filename}: {error.strerror}") from error
        if self.data.exists() and not self.data.is_dir():
            raise ServiceError(f"{self.data} is in the way: it is not a directory")
        if self.data.is_dir() and self.data.stat().st_uid != os.geteuid() != 0:
            raise ServiceError(
                f"{self.data} belongs to another user (id {self.data.stat().st_uid}), probably "
                f"from a run with sudo: remove it, or give it back with chown"
            )
        if self.data.is_dir() and not os.access(self.data, os.R_OK | os.W_OK | os.X_OK):
            raise ServiceError(f"{self.data} is not writable: correct its permissions")
        if self.major is None and self.data.is_dir() and any(self.data.iterdir()):
            raise ServiceError(f"{self.data} is in the way: it is not a PostgreSQL data directory, move it away")

    def password(self) -> str:
        """Return the password kept beside the data."""
        try:
            return self._password_file.read_text().strip()
        except FileNotFoundError:
            raise ServiceError(
                f"{self._password_file} is missing, so the data in {self.data} cannot be used: "
                "restore the file, or remove the directory to start afresh"
            ) from None

    def create(self, binaries: PostgresBinaries, around: Surroundings, *, durable: bool) -> None:
        """Create the cluster and its database; a failure leaves nothing that would break the next run."""
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(mode=0o700)
        around.identity.own(self._draft)
        self._new_password(around)
        settings = ["--auth=scram-sha-256", "--encoding=UTF8", f"--locale={LOCALE}"]
        settings += ["--lc-messages=C", "--username=app", f"--pwfile={self._password_file}"]
        settings += [] if durable else ["--no-sync"]
        draft = str(self._draft)
        try:
            run_step("initdb", [binaries["initdb"], "-D", draft, *settings], around)
            # Single-user mode needs neither a client program nor a port.
            single = [binaries["postgres"], "--single", "-D", draft, "-c", "exit_on_error=on"]
            single += [] if durable else ["-F"]
            run_step("initdb", [*single, "postgres"], around, text="CREATE DATABASE app;\n")
            self._draft.rename(self.data)
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _new_password(self, around: Surroundings) -> None:
        self._password_file.unlink(missing_ok=True)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))
        around.identity.own(self._password_file)

    def status(self) -> list[str]:
        """Return the lines of the file in which a running server describes itself."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def is_ready(self, before: list[str]) -> bool:
        """Tell whether the server accepts connections; ``before`` holds the lines that a crash left behind."""
        lines = self.status()
        return lines != before and "ready" in "".join(lines[STATUS_LINE:])

    def live_port(self) -> int | None:
        """Return the port of the server that runs on this data and accepts connections; None if there is none."""
        lines = self.status()
        if "ready" not in "".join(lines[STATUS_LINE:]) or not lines[0].isdigit() or not lines[PORT_LINE].isdigit():
            return None
        pid = int(lines[0])
        return int(lines[PORT_LINE]) if _alive(pid) and _is_server_of(pid, self.data) else None

    def busy(self) -> str:
        """Return the error message for a data directory that another run uses."""
        status = self.status()
        who = f"a running server (pid {status[0]})" if status and self.live_port() else "another run"
        return f"{self.data} is in use by {who} of this project: stop that one first"

    def url(self, port: int) -> str:
        """Return the URL of the database on a server of this cluster."""
        return f"postgresql://app:{self.password()}@127.0.0.1:{port}/app"

    def clear_stale_pid(self) -> None:
        """Remove a ``postmaster.pid`` that a crash left behind; refuse to start beside a live server.

        PostgreSQL itself ignores the id of a dead process. But containers soon reuse their small
        process ids, and PostgreSQL takes any process with the recorded id for a server.
        """
        first = self.status()[:1]
        if not first or not first[0].isdigit() or not _alive(int(first[0])):
            return
        if _is_server_of(int(first[0]), self.data):
            raise ServiceError(self.busy())
        (self.data / "postmaster.pid").unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_server_of(pid: int, data: Path) -> bool:
    """Tell whether a process is a PostgreSQL server that works in this directory."""
    process = Path("/proc") / str(pid)
    if process.is_dir():
        try:
            return (process / "cwd").readlink() == data
        except PermissionError:
            # Another user's process cannot be the server of our data.
            return False
    command = ["/bin/ps", "-o", "comm=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PS_SECONDS, check=False)
    return "postgres" in answer.stdout
