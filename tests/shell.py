"""Runs commands as a newcomer's shell would, without the environment of this test run."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import uv

# Variables that the caller's shell, make, pytest or services may have set.
_FOREIGN = re.compile(
    r"^(MAKE|MFLAGS|PYTEST|PYTHON|COPIER_|COV_|COVERAGE|VIRTUAL_ENV|UV_PROJECT|UV_PYTHON$|GIT_(DIR|WORK|INDEX|CONFIG_(COUNT|KEY|VALUE))"
    r"|DATABASE_|REDIS_URL|DB_|HTTP_(?!PROXY)|AUTH_|LOG_|ENVIRONMENT$|PROMETHEUS_|PG|DEV_(POSTGRES|RELOAD|RUN|WORKER)"
    r"|TASKS_|PAYMENTS_|OTEL_|CACHE_)"
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
    """A command failed; the message shows its output."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a command: ours without foreign variables, with the uv of requirements.txt in PATH.

    PATH gets uv only: with all of .venv/bin, a service could use tools that its own pyproject.toml does not name.
    """
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    own = str(Path(sys.executable).parent)
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part != own]
    tools = str(_tools())
    return {**kept, **_IDENTITY, "PATH": os.pathsep.join([tools, *path]), "PYTHONUNBUFFERED": "1", **more}


def _tools() -> Path:
    """Return a directory that holds nothing but uv."""
    directory = Path(sys.prefix) / "tools"
    link = directory / "uv"
    if not link.is_symlink():
        directory.mkdir(exist_ok=True)
        fresh = directory / f"uv.{os.getpid()}"
        fresh.symlink_to(uv.find_uv_bin())
        # atomically, since another test process may do the same
        fresh.rename(link)
    return directory


def run(*command: str, cwd: Path, seconds: float = 1500, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output, of both streams.

    Raises:
        CommandError: the command failed, or took too long.
    """
    done = attempt(*command, cwd=cwd, seconds=seconds, env=env)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(command)} ended with {done.returncode} in {cwd}\n{done.stdout}")
    return done.stdout


def attempt(
    *command: str, cwd: Path, seconds: float = 120, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, whatever its exit status; both streams are in `stdout`.

    Raises:
        CommandError: the command took too long, and was killed with all its processes.
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
