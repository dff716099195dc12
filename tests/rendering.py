"""Renders the template as it is in the working tree, and reads what came out."""

import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.shell import CommandError, attempt, environment, run
from tests.variants import ROOT

# names the directory of a test run, which its first process makes and removes
PLACE = "TEMPLATE_TESTS_PLACE"
SETTINGS = Path(__file__).with_name("copier-settings.yml")


def working_files(root: Path = ROOT) -> list[Path]:
    """The files git has or would add, relative to the repository; asked with the developer's own settings of git."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root, env=os.environ)
    return sorted(path for name in listed.split("\0") if name and (root / (path := Path(name))).is_file())


def snapshot(target: Path, root: Path = ROOT) -> Path:
    """Commit a copy of the working tree to a new repository: a clean template without tags, however ours looks."""
    for path in working_files(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target / path)
    return commit(target)


def commit(repository: Path, message: str = "as it is") -> Path:
    """Commit everything there is; never to a repository that only happens to be around the folder."""
    if not (repository / ".git").exists():
        run("git", "init", "--quiet", "--initial-branch=main", cwd=repository)
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "--quiet", "--no-verify", "--allow-empty", f"--message={message}", cwd=repository)
    return repository


def copier(*arguments: str, cwd: Path, behind: Sequence[str] = (), **variables: str) -> tuple[int, str]:
    """Run Copier's command line, behind another command if need be; return its exit status and what it printed."""
    command = [*behind, sys.executable, "-m", "copier", *arguments]
    start = time.monotonic()
    done = attempt(*command, cwd=cwd, env=environment(COPIER_SETTINGS_PATH=str(SETTINGS), **variables))
    _note(arguments[0], time.monotonic() - start)
    return done.returncode, done.stdout


def _note(command: str, seconds: float) -> None:
    """Keep how long Copier took, for the summary of a test run; from several processes, a line at a time."""
    if place := os.environ.get(PLACE):
        with Path(place, "durations").open("a") as file:
            file.write(f"{command} {seconds}\n")


def durations(place: Path) -> dict[str, list[float]]:
    """How many seconds each run of Copier took, by its subcommand."""
    noted: dict[str, list[float]] = {}
    for line in (place / "durations").read_text().splitlines() if (place / "durations").exists() else []:
        command, seconds = line.split()
        noted.setdefault(command, []).append(float(seconds))
    return noted


def render(template: Path, target: Path, answers: Mapping[str, str], ref: str = "HEAD", **variables: str) -> Path:
    """Render as a user does: through the command line, untrusted, without being asked anything.

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


def rendered_files(project: Path) -> dict[str, bytes]:
    """Every file of a freshly rendered project by its path."""
    return {str(path.relative_to(project)): path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}


def fingerprint(project: Path) -> dict[str, str]:
    """Every path of a project with its content and permissions, in a form that is short to compare."""
    return {str(path.relative_to(project)): _describe(path) for path in sorted(project.rglob("*"))}


def _describe(path: Path) -> str:
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
    return f"{stat.filemode(os.lstat(path).st_mode)} {content}"
