"""Installs a service from its wheel, away from its source."""

import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests import client
from tests.project import START_SECONDS, STOP_SECONDS, wait_for
from tests.shell import CommandError, environment, run

MIGRATIONS = "app/_alembic/"


class Installation:
    """A virtual environment with the wheel, built through the sdist, and its locked dependencies."""

    def __init__(self, project: Path, place: Path) -> None:
        self._project = project
        self._log = place / "log"
        # a directory without the project's files and without `.env`
        self._elsewhere = place / "elsewhere"
        self._elsewhere.mkdir()
        venv = place / "environment"
        self.python = str(venv / "bin/python")
        locked = environment(UV_PROJECT_ENVIRONMENT=str(venv))
        run("uv", "sync", "--locked", "--no-dev", "--no-install-project", cwd=project, env=locked)
        run("uv", "build", "--out-dir", str(place / "dist"), cwd=project)
        (self.wheel,) = (place / "dist").glob("*.whl")
        run("uv", "pip", "install", "--no-deps", "--python", self.python, str(self.wheel), cwd=project)

    def migrations(self) -> set[str]:
        """Return the migration files in the wheel, by their path in the project."""
        names = zipfile.ZipFile(self.wheel).namelist()
        return {name.removeprefix(MIGRATIONS) for name in names if name.startswith(MIGRATIONS)}

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database on the server of this test run, and yield its URL."""
        server, name = os.environ["TEST_DATABASE_URL"], f"wheel_{uuid4().hex}"
        self._execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            self._execute(server, f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, server: str, statement: str) -> None:
        script = f"import asyncio, tests.support.databases as d; asyncio.run(d.execute({server!r}, {statement!r}))"
        run("uv", "run", "--no-sync", "python", "-c", script, cwd=self._project)

    def command(self, name: str, given: Mapping[str, str]) -> str:
        """Run a command of the service and return its output; raise CommandError if it fails."""
        return run(self.python, "-m", "app", name, cwd=self._elsewhere, env=given)

    def serve(self, name: str, given: Mapping[str, str], url: str) -> None:
        """Run the API or the worker until it is ready, then stop it.

        Raises:
            CommandError: the process did not become ready, or ended with an error.
        """
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [self.python, "-m", "app", name],
                cwd=self._elsewhere,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            ready = wait_for(lambda: process.poll() is not None or _ready(url), START_SECONDS)
            process.terminate()
            if not ready or process.wait(STOP_SECONDS) != 0:
                raise CommandError(f"{name} ended with {process.poll()}\n{self._log.read_text()}")
        finally:
            process.kill()
            process.wait(STOP_SECONDS)


def _ready(url: str) -> bool:
    try:
        return client.call("GET", f"{url}/readyz").status == 200
    except OSError:
        return False
