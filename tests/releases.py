"""The releases in this repository's history, found by the changelog's headings: tags need not have been fetched."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.rendering import commit, working_files
from tests.shell import CommandError, run
from tests.variants import ROOT, Choices, choices_in

CHANGELOG = "CHANGELOG.md"
UNRELEASED = "Unreleased"
HEADING = re.compile(rf"^## (\d+\.\d+\.\d+|{UNRELEASED})\b", re.MULTILINE)


class HistoryError(Exception):
    """The history does not tell what was released; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A version, and the last commit whose changelog begins with it."""

    version: str
    commit: str

    @property
    def tag(self) -> str:
        """The name of the tag it has, or would have."""
        return f"v{self.version}"


def top_heading(changelog: str) -> str:
    """The first heading: a version, or `Unreleased`.

    Raises:
        HistoryError: there is none.
    """
    found = HEADING.search(changelog)
    if not found:
        raise HistoryError(f"{CHANGELOG} has no heading such as `## 0.1.0` or `## {UNRELEASED}`")
    return found[1]


def order(version: str) -> tuple[int, ...]:
    """What sorts versions."""
    return tuple(int(part) for part in version.split("."))


def past_releases(root: Path = ROOT) -> tuple[Release, ...]:
    """The releases before the one that the working tree is on its way to, oldest first.

    Raises:
        HistoryError: the history was cut off.
    """
    if git("rev-parse", "--is-shallow-repository", cwd=root).strip() == "true":
        missing = "the releases that updates start from are missing"
        raise HistoryError(f"this clone is shallow, {missing}: run `git fetch --unshallow`")
    current = top_heading((root / CHANGELOG).read_text())
    last = dict(_headings(root))
    versions = sorted((heading for heading in last if heading not in {UNRELEASED, current}), key=order)
    return tuple(Release(version, _tagged(version, root) or last[version]) for version in versions)


def offered(release: Release, root: Path = ROOT) -> Choices:
    """The answers that a release let choose from."""
    return choices_in(yaml.safe_load(git("show", f"{release.commit}:copier.yml", cwd=root)))


def _headings(root: Path) -> Iterator[tuple[str, str]]:
    """The top heading at each commit of the main line, oldest first, with the commit."""
    line = ("rev-list", "--first-parent", "--reverse", "HEAD")
    changed = set(git(*line, "--", CHANGELOG, cwd=root).split())
    heading = UNRELEASED
    for each in git(*line, cwd=root).split():
        if each in changed:
            heading = top_heading(git("show", f"{each}:{CHANGELOG}", cwd=root))
        yield heading, each


def _tagged(version: str, root: Path) -> str:
    """The commit that the tag of a version names; empty where it was not fetched."""
    commit = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
    return git("for-each-ref", f"--format={commit}", f"refs/tags/v{version}", cwd=root).strip()


def version_of_tree(root: Path = ROOT) -> str:
    """The version that the working tree would be released as: the top heading, else the next minor one."""
    current = top_heading((root / CHANGELOG).read_text())
    if current != UNRELEASED:
        return current
    past = past_releases(root)
    major, minor, _ = order(past[-1].version) if past else (0, 0, 0)
    return f"{major}.{minor + 1}.0"


def scratch(target: Path, root: Path = ROOT) -> Path:
    """Make a clone in which every release is tagged, and the working tree is the newest of them, at HEAD.

    Raises:
        HistoryError: the history was cut off.
    """
    releases = past_releases(root)
    git("clone", "--quiet", "--no-tags", str(root), str(target), cwd=root)
    for release in releases:
        run("git", "tag", release.tag, release.commit, cwd=target)
    run("git", "rm", "--quiet", "-r", ".", cwd=target)
    for path in working_files(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target / path)
    release_all(target, version_of_tree(root))
    return target


def release_all(template: Path, version: str) -> None:
    """Commit everything a scratch clone holds and tag it as a release."""
    commit(template, version)
    run("git", "tag", f"v{version}", cwd=template)


def git(*arguments: str, cwd: Path) -> str:
    """Ask git about this repository, with the developer's own settings: it may belong to somebody else here."""
    try:
        return run("git", *arguments, cwd=cwd, env=os.environ)
    except CommandError as error:
        raise HistoryError(str(error)) from None
