"""Renders the template from the working tree, and reads the result."""

import fcntl
import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests import prepared
from tests.prepared import PLACE
from tests.shell import CommandError, attempt, environment, run
from tests.variants import ROOT

SETTINGS = Path(__file__).with_name("copier-settings.yml")


def working_files(root: Path = ROOT) -> list[Path]:
    """Return the files that git has or would add, relative to the repository, with the developer's own git settings."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root, env=os.environ)
    return sorted(path for name in listed.split("\0") if name and (root / (path := Path(name))).is_file())


def snapshot(target: Path, root: Path = ROOT) -> Path:
    """Commit a copy of the working tree to a new repository, a clean template without tags."""
    for path in working_files(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target / path)
    return commit(target)


def commit(repository: Path, message: str = "as it is") -> Path:
    """Commit everything; create a repository if the folder has none, even inside another repository."""
    if not (repository / ".git").exists():
        run("git", "init", "--quiet", "--initial-branch=main", cwd=repository)
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "--quiet", "--no-verify", "--allow-empty", f"--message={message}", cwd=repository)
    return repository


def copier(*arguments: str, cwd: Path, behind: Sequence[str] = (), **variables: str) -> tuple[int, str]:
    """Run Copier's command line, with a prefix if one is given; return the exit status and the output."""
    env = environment(COPIER_SETTINGS_PATH=str(SETTINGS), **variables)
    start = time.monotonic()
    if behind:
        done = attempt(*behind, sys.executable, "-m", "copier", *arguments, cwd=cwd, env=env)
    else:
        done = prepared.attempt("copier", *arguments, cwd=cwd, env=env)
    _note(arguments[0], time.monotonic() - start)
    return done.returncode, done.stdout


def _note(command: str, seconds: float) -> None:
    """Record how long Copier took, for the summary of the test run; one line per call, as several processes write."""
    if place := os.environ.get(PLACE):
        with Path(place, "durations").open("a") as file:
            file.write(f"{command} {seconds}\n")


def durations(place: Path) -> dict[str, list[float]]:
    """Return the seconds that each run of Copier took, by subcommand."""
    noted: dict[str, list[float]] = {}
    for line in (place / "durations").read_text().splitlines() if (place / "durations").exists() else []:
        command, seconds = line.split()
        noted.setdefault(command, []).append(float(seconds))
    return noted


def render(template: Path, target: Path, answers: Mapping[str, str], ref: str = "HEAD", **variables: str) -> Path:
    """Render as a user does: through the command line, without trust and without questions.

    Raises:
        CommandError: Copier refused.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    data = [part for name, answer in answers.items() for part in ("--data", f"{name}={answer}")]
    command = ["copy", "--defaults", "--quiet", f"--vcs-ref={ref}", *data, str(template), str(target)]
    status, printed = copier(*command, cwd=target.parent, behind=(), **variables)
    if status != 0:
        raise CommandError(printed)
    return target


def once(target: Path, make: Callable[[Path], None]) -> Path:
    """Have one process of the test run make a directory, while others wait for it; return its path."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(f"{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                # of the same name, which Copier knows
                draft = target.parent.with_name(f"{target.parent.name}-drafts") / target.name
                # what a failure has left
                shutil.rmtree(draft, ignore_errors=True)
                make(draft)
                draft.rename(target)
    return target


def rendered_files(project: Path) -> dict[str, bytes]:
    """Return the content of every file of a freshly rendered project by path."""
    return {str(path.relative_to(project)): path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}


def fingerprint(project: Path) -> dict[str, str]:
    """Return a short description of the content and permissions of every path of a project, for comparisons."""
    return {str(path.relative_to(project)): _describe(path) for path in sorted(project.rglob("*"))}


def _describe(path: Path) -> str:
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
    return f"{stat.filemode(os.lstat(path).st_mode)} {content}"
