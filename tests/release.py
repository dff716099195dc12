"""`make release VERSION=x.y.z`: checks that this commit can be that release, and tags it."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.releases import CHANGELOG, HistoryError, git, order, past_releases, top_heading
from tests.shell import CommandError, run
from tests.variants import ROOT

# the suites about existing projects, which a release must not break
SUITES = ("updates", "switches", "tool", "tool_switches", "tool_refusals")

NOTES = re.compile(r"^### For existing projects\n+(?!#)\S", re.MULTILINE)


class ReleaseError(Exception):
    """The commit cannot be released; the message says what to do first."""


def check(version: str, root: Path = ROOT) -> None:
    """Check the working tree, the tags and the changelog.

    Raises:
        ReleaseError: a check failed.
        HistoryError: the past releases are not known from the history.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"say which version: make release VERSION=1.2.3, not {version!r}")
    if changes := git("status", "--porcelain", cwd=root).rstrip():
        raise ReleaseError(f"commit everything first, or the tag will not be what you tested:\n{changes}")
    if git("tag", "--list", f"v{version}", cwd=root).strip():
        raise ReleaseError(f"v{version} exists, and tags are never moved: take the next version")
    changelog = (root / CHANGELOG).read_text()
    if top_heading(changelog) != version:
        raise ReleaseError(f"{CHANGELOG} begins with {top_heading(changelog)}: finish its heading as {version} first")
    past = past_releases(root)
    if past and order(version) <= order(past[-1].version):
        raise ReleaseError(f"{version} does not come after {past[-1].version}")
    newest = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    if not re.match(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d\n", newest):
        raise ReleaseError(f"write the heading as `## {version} - year-month-day`")
    if not NOTES.search(newest):
        raise ReleaseError('say under "For existing projects" what an update brings and asks for')


def suites(root: Path = ROOT) -> None:
    """Run the suites about updates.

    Raises:
        CommandError: a test failed.
    """
    run(
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "logical",
        *[f"tests/test_{name}.py" for name in SUITES],
        cwd=root,
        seconds=3600,
    )


def release(version: str, root: Path = ROOT, prove: Callable[[Path], None] = suites) -> str:
    """Check, run the suites, and tag; return what to do next.

    Raises:
        ReleaseError: a check failed.
        HistoryError: the past releases are not known from the history.
        CommandError: a suite failed.
    """
    check(version, root)
    prove(root)
    git("tag", "--annotate", f"--message=Release {version}", f"v{version}", cwd=root)
    return f"v{version} is tagged. Publish it: git push origin v{version}"


def main(arguments: list[str]) -> int:
    """Release, print the result, and return the exit status."""
    try:
        print(release(arguments[0] if arguments else ""))
    except (ReleaseError, HistoryError, CommandError) as error:
        print(f"Not released: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
