"""A peer to compare with: a project of s3rius' FastAPI template, from its package on PyPI, in environments of its own.

It runs as it is rendered, with PostgreSQL and SQLAlchemy. Its only model is a dummy of two columns, without lines and
without a route for one row, so its answers are less work than those that stand beside them in a table. FastAPI's own
full-stack template is no package, so it is not measured.
"""

import shutil
import sys
from pathlib import Path

from benchmarks.apps import App, Kind
from tests.shell import environment, run

PACKAGE = "fastapi_template==6.1.2"
NAME = "peer"
ANSWERS = ("--api-type", "rest", "--db", "postgresql", "--orm", "sqlalchemy", "--ci", "none")
FEATURES = ("--dummy", "--routers", "--migrations")
ROWS = "INSERT INTO dummy_model (name) SELECT 'dummy ' || n FROM generate_series(1, 1000) n"


# its file .env is for development
VARIABLES = {
    "PEER_RELOAD": "false",
    "PEER_ENVIRONMENT": "production",
    "PEER_PORT": "{port}",
    "PEER_DB_HOST": "{url.hostname}",
    "PEER_DB_PORT": "{url.port}",
    "PEER_DB_USER": "{url.username}",
    "PEER_DB_PASS": "{url.password}",
    "PEER_DB_BASE": "{database}",
}


def rendered(place: Path) -> App:
    """Render and install the project."""
    tools, root = place / "peer-tools", place / NAME
    _install(tools, PACKAGE)
    # after rendering, it would commit and install hooks from the network; without git it leaves that
    without = place / "peer-path"
    without.mkdir()
    for name in ("git", "uv"):
        (without / name).symlink_to(str(shutil.which("false")))
    command = [str(tools / "bin/fastapi_template"), "--name", NAME, "--quiet", *ANSWERS, *FEATURES]
    run(str(tools / "bin/python"), *command, cwd=place, env=environment(PATH=str(without), HOME=str(place)))
    _install(root / ".venv", "--requirement", str(root / "pyproject.toml"))
    return App(
        "s3rius' template",
        command=[str(root / ".venv/bin/python"), "-m", NAME],
        cwd=root,
        driver="asyncpg",
        schema=NAME,
        kind=Kind.PEER,
        module=f"{NAME}.web.application",
        env=VARIABLES,
    )


def migrate(app: App, server_url: str) -> None:
    """Create the tables of the project."""
    run(str(app.cwd / ".venv/bin/alembic"), "upgrade", "head", cwd=app.cwd, env=app.variables(server_url, port=0))


def _install(target: Path, *packages: str) -> None:
    """Make an environment, of this Python, with some packages."""
    env = environment(TMPDIR=str(target.parent))
    run("uv", "venv", "--quiet", "--python", sys.executable, str(target), cwd=target.parent, env=env)
    python = str(target / "bin/python")
    run("uv", "pip", "install", "--quiet", "--python", python, *packages, cwd=target.parent, env=env)
