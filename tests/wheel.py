"""A service that was installed from its wheel, where nothing of its source can be found."""

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
    """An environment with the wheel in it, built by way of the sdist, and what is locked."""

    def __init__(self, project: Path, place: Path) -> None:
        self._project = project
        self._log = place / "log"
        # no file of the project, and no `.env`
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
        """The files about migrations that the wheel brings, by their path in the project."""
        names = zipfile.ZipFile(self.wheel).namelist()
        return {name.removeprefix(MIGRATIONS) for name in names if name.startswith(MIGRATIONS)}

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database on the server of this run."""
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
        """Run a command of the service to a good end; what it printed."""
        return run(self.python, "-m", "app", name, cwd=self._elsewhere, env=given)

    def serve(self, name: str, given: Mapping[str, str], url: str) -> None:
        """Run the API or the worker until it is ready, and stop it again.

        Raises:
            CommandError: it did not become ready, or did not end well.
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
