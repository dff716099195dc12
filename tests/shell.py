"""Runs commands as a newcomer's shell would: nothing of this test run shines through."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import uv

# What the caller's shell, make, pytest or a service of the caller's own may have set.
_FOREIGN = re.compile(
    r"^(MAKE|MFLAGS|PYTEST|PYTHON|COPIER_|COV_|COVERAGE|VIRTUAL_ENV|UV_PROJECT|UV_PYTHON$|GIT_(DIR|WORK|INDEX)"
    r"|DATABASE_|REDIS_URL|DB_|HTTP_(?!PROXY)|AUTH_|LOG_|ENVIRONMENT$|PROMETHEUS_|PG|DEV_(POSTGRES|WORKER)|TASKS_|PAYMENTS_)"
)
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Template tests",
    "GIT_AUTHOR_EMAIL": "tests@example.com",
    "GIT_COMMITTER_NAME": "Template tests",
    "GIT_COMMITTER_EMAIL": "tests@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class CommandError(AssertionError):
    """A command did not end well; the message shows what it printed."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: ours without what is foreign, with the uv of requirements.txt first in PATH.

    Only uv: were all of .venv/bin in PATH, a service could use tools that its own pyproject.toml does not name.
    """
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    own = str(Path(sys.executable).parent)
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part != own]
    tools = str(_tools())
    return {**kept, **_IDENTITY, "PATH": os.pathsep.join([tools, *path]), "PYTHONUNBUFFERED": "1", **more}


def _tools() -> Path:
    """A directory that holds uv and nothing else."""
    directory = Path(sys.prefix) / "tools"
    link = directory / "uv"
    if not link.is_symlink():
        directory.mkdir(exist_ok=True)
        fresh = directory / f"uv.{os.getpid()}"
        fresh.symlink_to(uv.find_uv_bin())
        # in one step, since another test process may do the same
        fresh.rename(link)
    return directory


def run(*command: str, cwd: Path, seconds: float = 1500, env: Mapping[str, str] | None = None) -> str:
    """Run to a good end and return what was printed, on both streams.

    Raises:
        CommandError: it ended otherwise, or took too long.
    """
    done = attempt(*command, cwd=cwd, seconds=seconds, env=env)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(command)} ended with {done.returncode} in {cwd}\n{done.stdout}")
    return done.stdout


def attempt(
    *command: str, cwd: Path, seconds: float = 120, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to whatever end; both streams are in `stdout`.

    Raises:
        CommandError: it took too long; it is ended, with all it started.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment() if env is None else env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise CommandError(f"{' '.join(command)} took more than {seconds} s\n{printed}") from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, printed)
