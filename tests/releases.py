"""Finds releases in this repository's history by the changelog's headings, because tags may not be fetched."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.rendering import commit, working_files
from tests.shell import CommandError, run
from tests.variants import ROOT, Choices, choices_in

CHANGELOG = "CHANGELOG.md"
UNRELEASED = "Unreleased"
HEADING = re.compile(rf"^## (\d+\.\d+\.\d+|{UNRELEASED})\b", re.MULTILINE)


class HistoryError(Exception):
    """The releases are not known from the history; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A version, and the last commit whose changelog has it as the first heading."""

    version: str
    commit: str

    @property
    def tag(self) -> str:
        """The name of the release's tag, which may not exist."""
        return f"v{self.version}"


def top_heading(changelog: str) -> str:
    """Return the first heading: a version, or `Unreleased`.

    Raises:
        HistoryError: there is no such heading.
    """
    found = HEADING.search(changelog)
    if not found:
        raise HistoryError(f"{CHANGELOG} has no heading such as `## 0.1.0` or `## {UNRELEASED}`")
    return found[1]


def order(version: str) -> tuple[int, ...]:
    """Return the sort key of a version."""
    return tuple(int(part) for part in version.split("."))


def past_releases(root: Path = ROOT) -> tuple[Release, ...]:
    """Return the releases before the working tree's, oldest first.

    Raises:
        HistoryError: the clone is shallow.
    """
    return _past_releases_here() if root == ROOT else _past_releases(root)


@cache
def _past_releases_here() -> tuple[Release, ...]:
    """Look into the history once in a process: several test files ask for it."""
    return _past_releases(ROOT)


def _past_releases(root: Path) -> tuple[Release, ...]:
    if git("rev-parse", "--is-shallow-repository", cwd=root).strip() == "true":
        missing = "the releases that updates start from are missing"
        raise HistoryError(f"this clone is shallow, {missing}: run `git fetch --unshallow`")
    current = top_heading((root / CHANGELOG).read_text())
    last = dict(_headings(root))
    versions = sorted((heading for heading in last if heading not in {UNRELEASED, current}), key=order)
    return tuple(Release(version, _tagged(version, root) or last[version]) for version in versions)


@cache
def offered(release: Release, root: Path = ROOT) -> Choices:
    """Return the choices that a release offered."""
    return choices_in(yaml.safe_load(git("show", f"{release.commit}:copier.yml", cwd=root)))


def _headings(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the top heading and the commit, for each commit of the main line, oldest first."""
    line = ("rev-list", "--first-parent", "--reverse", "HEAD")
    changed = set(git(*line, "--", CHANGELOG, cwd=root).split())
    heading = UNRELEASED
    for each in git(*line, cwd=root).split():
        if each in changed:
            heading = top_heading(git("show", f"{each}:{CHANGELOG}", cwd=root))
        yield heading, each


def _tagged(version: str, root: Path) -> str:
    """Return the commit of a version's tag; empty if the tag was not fetched."""
    commit = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
    return git("for-each-ref", f"--format={commit}", f"refs/tags/v{version}", cwd=root).strip()


def version_of_tree(root: Path = ROOT) -> str:
    """Return the version that the working tree would be released as: the top heading, else the next minor version."""
    current = top_heading((root / CHANGELOG).read_text())
    if current != UNRELEASED:
        return current
    past = past_releases(root)
    major, minor, _ = order(past[-1].version) if past else (0, 0, 0)
    return f"{major}.{minor + 1}.0"


def scratch(target: Path, root: Path = ROOT) -> Path:
    """Make a clone with a tag for each release; the working tree is the newest release, at HEAD.

    Raises:
        HistoryError: the clone is shallow.
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
    """Commit everything in a scratch clone and tag it as a release."""
    commit(template, version)
    run("git", "tag", f"v{version}", cwd=template)


def git(*arguments: str, cwd: Path) -> str:
    """Run git on this repository with the developer's own settings, such as `safe.directory`."""
    try:
        return run("git", *arguments, cwd=cwd, env=os.environ)
    except CommandError as error:
        raise HistoryError(str(error)) from None
