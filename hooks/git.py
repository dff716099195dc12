"""Runs git, with bytes as input and output."""

import subprocess
import tempfile
from pathlib import Path

from hooks.errors import MigrationError

# the labels that Copier uses in conflict markers
LABELS = ("before updating", "last update", "after updating")
_CANNOT_MERGE = 255


def git(*arguments: str, cwd: Path, given: bytes = b"") -> bytes:
    """Run git and return what it printed.

    Raises:
        MigrationError: git failed; the message holds the last line that git printed.
    """
    done = subprocess.run(["git", *arguments], cwd=cwd, input=given, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise MigrationError(f"git {arguments[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout


def merge_file(base: bytes, mine: bytes, new: bytes) -> tuple[bytes, bool] | None:
    """Merge by lines; return the result and whether it has conflict markers, or None if git cannot merge by lines.

    The result has Windows line ends if all of mine are such; the template has none.
    """
    if b"\n" in mine and mine.count(b"\n") == mine.count(b"\r\n"):
        base, new = (each.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for each in (base, new))
    with tempfile.TemporaryDirectory(prefix="migration-merge-") as directory:
        names = []
        for label, content in zip(LABELS, (mine, base, new), strict=True):
            path = Path(directory, label)
            path.write_bytes(content)
            names += ["-L", label]
        command = ["git", "merge-file", "-p", "-q", *names, "--", *LABELS]
        done = subprocess.run(command, cwd=directory, capture_output=True, check=False)
    if done.returncode >= _CANNOT_MERGE:
        return None
    return done.stdout, done.returncode != 0
