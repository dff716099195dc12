"""Uses a rendered project as its owner does: by its Makefile."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests import client
from tests.shell import CommandError, environment, run

# A variable of the generated Makefile: no workers beside pytest, since two services are tested at a time for each core.
IN_PROCESS = "PYTEST_WORKERS=0"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
# the platform's suite of a service with jobs takes a quarter of an hour on a busy core
MAKE_SECONDS = 2700.0
LOG_TAIL = 40
NEXT_COMMAND = "next command of Alembic\n"
# runs several of Alembic's commands, since most of the time goes into starting
ALEMBIC = f"""
import sys
from alembic.config import main
for command in sys.argv[1:]:
    print({NEXT_COMMAND!r}, end="", flush=True)
    main([command])
"""


class Project:
    """A project's directory, and the commands of its Makefile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # mypy skips a file whose size and time, in whole seconds, match its cache; the same file of another project may
        # have the same size and be from the same second
        moment = 1_000_000_000 + zlib.crc32(str(root).encode()) % 500_000_000
        for path in root.rglob("*.py"):
            os.utime(path, (moment, moment))

    def make(self, *targets: str, **variables: str) -> str:
        """Run targets of the project's Makefile; return their output, or raise CommandError if they fail.

        All projects of a test process share mypy's cache, because a first run spends most of its time on libraries.
        """
        cache = self.root.parents[1] / f"mypy-{os.getpid()}"
        command = partial(run, "make", *targets, cwd=self.root, seconds=MAKE_SECONDS)
        env = environment(MYPY_CACHE_DIR=str(cache), **variables)
        if "types" not in targets or cache.exists():
            return command(env=env)
        return self._first_types(cache, partial(command, env=env))

    def _first_types(self, cache: Path, check: Callable[[], str]) -> str:
        """Check the types for the first time in this process: with the cache of the first process that has done so."""
        shared = cache.with_name("mypy")
        with shared.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not shared.exists():
                printed = check()
                # copies, no links: mypy writes into its databases
                shutil.copytree(cache, shared)
                return printed
            shutil.copytree(shared, cache)
        return check()

    def setup(self) -> None:
        """Run `make setup`.

        The libraries get the byte code that earlier projects of this test process have compiled: uv gives every
        environment the same files, and compiling them anew takes seconds in each.
        """
        self.make("setup")
        libraries = self.root / ".venv" / "lib"
        compiled = self.root.parents[1] / f"compiled-{os.getpid()}"
        if compiled.is_symlink():
            for cache in compiled.rglob("__pycache__"):
                target = libraries / cache.relative_to(compiled)
                if target.parent.is_dir() and not target.exists():
                    shutil.copytree(cache, target, copy_function=os.link)
        else:
            compiled.symlink_to(libraries)

    def alembic(self, *commands: str) -> list[str]:
        """Return what Alembic says to each command about the project's own database, without its log."""
        uv = ("uv", "run", "--no-sync", "python")
        printed = run(*uv, "-m", "dev.services", "run", "--", *uv, "-c", ALEMBIC, *commands, cwd=self.root)
        _, *parts = printed.split(NEXT_COMMAND)
        return ["\n".join(line for line in part.splitlines() if "(" in line) for part in parts]

    @contextmanager
    def serving(self, seconds: float = START_SECONDS, **variables: str) -> Iterator["Service"]:
        """Run `make run` on a free port until the end of the block; it must get ready within these seconds."""
        service = Service(self.root, variables)
        try:
            service.wait_until_ready(seconds)
            yield service
        finally:
            service.kill()


class Service:
    """A service that `make run` started in its own session."""

    def __init__(self, root: Path, variables: dict[str, str]) -> None:
        port, worker_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.worker_url = f"http://127.0.0.1:{worker_port}"
        self._root = root
        self._log = root.with_name(f"{root.name}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["make", "run"],
                cwd=root,
                env=environment(HTTP_PORT=str(port), TASKS_METRICS_PORT=str(worker_port), **variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until the service is ready for requests.

        Raises:
            CommandError: the service ended or took too long; the message shows the end of its log.
        """

        def answers() -> bool:
            if self._process.poll() is not None:
                raise CommandError(f"make run ended with {self._process.returncode}\n{self.log()}")
            try:
                return client.call("GET", f"{self.url}/readyz").status == 200
            except OSError:
                return False

        if not wait_for(answers, seconds):
            raise CommandError(f"make run did not get ready in {seconds:.0f} s\n{self.log()}")

    def log(self) -> str:
        """Return the end of the service's output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL:])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's events of that name; needs LOG_JSON=true."""
        return [event for event in self.all_events() if event.get("event") == name]

    def all_events(self) -> list[dict[str, Any]]:
        """Return all events in the log, of all processes; needs LOG_JSON=true."""
        lines = self._log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def stop(self) -> int:
        """Send SIGTERM to the service, as an orchestrator does; return the exit status of `make run`."""
        servers = [pid for pid, command in processes_of(self._root).items() if "-m app api" in command]
        if len(servers) != 1:
            raise CommandError(f"one process should serve, not {len(servers)}\n{processes_of(self._root)}")
        os.kill(servers[0], signal.SIGTERM)
        return self._wait()

    def terminate(self) -> int:
        """Send SIGTERM to `make run` and all its processes; return the exit status of `make run`."""
        os.killpg(self._process.pid, signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandError(f"the service did not stop in {STOP_SECONDS:.0f} s\n{self.log()}") from None

    def left_behind(self) -> dict[int, str]:
        """Return the project's processes that are still running after ten seconds at most."""
        wait_for(lambda: not processes_of(self._root), 10)
        return processes_of(self._root)

    def kill(self) -> None:
        """End all processes of the project, whatever the test's result."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            wait_for(lambda: self._process.poll() is not None, STOP_SECONDS)
        for pid in self.left_behind():
            os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)


def processes_of(root: Path) -> dict[int, str]:
    """Return the processes whose command line names a directory: its Python, its PostgreSQL."""
    return {pid: command for pid, command in _processes() if f"{root}/" in command}


def _processes() -> Iterator[tuple[int, str]]:
    if not Path("/proc/self").exists():
        listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True).stdout
        yield from ((int(pid), command) for pid, command in (line.split(maxsplit=1) for line in listed.splitlines()))
        return
    # slim images have no ps
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield int(entry.parent.name), entry.read_text(errors="replace").replace("\0", " ")


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Check the condition repeatedly until it is true; return False when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    """Return a TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
