"""Releases are found in the history, with and without tags; `make release` refuses an unfinished release."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import releases, rendering
from tests.release import ReleaseError, check, release
from tests.releases import HistoryError, Release, past_releases
from tests.shell import CommandError, run
from tests.variants import ROOT

HEAD = "# Changelog\n\n"
DONE = "## {} - 2030-01-01\n\n### For existing projects\n\nNothing to do.\n\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Release 1.0.0 with a later fix under the same heading, and 1.1.0, ready to be released."""
    for text in ("## 1.0.0\n", "## 1.0.0\n", "## Unreleased\n\n## 1.0.0\n", "## 1.1.0\n\n## 1.0.0\n"):
        write(tmp_path, text)
    write(tmp_path, f"{DONE.format('1.2.0')}## 1.1.0\n\n## 1.0.0\n")
    return tmp_path


def write(root: Path, changelog: str) -> None:
    (root / "CHANGELOG.md").write_text(HEAD + changelog)
    rendering.commit(root)


def commits(root: Path) -> list[str]:
    return run("git", "rev-list", "--reverse", "HEAD", cwd=root).split()


def proved(_root: Path) -> None:
    """Stand in for suites that pass."""


def test_a_release_is_the_last_commit_under_its_heading(repository: Path) -> None:
    _, mended, _, second, _ = commits(repository)
    assert past_releases(repository) == (Release("1.0.0", mended), Release("1.1.0", second))


def test_a_tag_says_it_better(repository: Path) -> None:
    first, _, _, second, _ = commits(repository)
    run("git", "tag", "--annotate", "--message=x", "v1.0.0", first, cwd=repository)
    assert past_releases(repository) == (Release("1.0.0", first), Release("1.1.0", second))


def test_versions_are_sorted_as_numbers(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0"):
        write(tmp_path, f"## {version}\n")
    assert [each.version for each in past_releases(tmp_path)] == ["1.9.0", "1.10.0"]
    assert releases.version_of_tree(tmp_path) == "2.0.0"


def test_what_is_unreleased_will_be_the_next_minor(repository: Path) -> None:
    write(repository, "## Unreleased\n\n## 1.2.0\n")
    assert releases.version_of_tree(repository) == "1.3.0"


def test_a_shallow_clone_is_told_so(repository: Path, tmp_path: Path) -> None:
    run("git", "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow", cwd=tmp_path)
    with pytest.raises(HistoryError, match="git fetch --unshallow"):
        past_releases(tmp_path / "shallow")


def test_the_scratch_clone_has_every_release_and_the_working_tree(template: Path) -> None:
    tags = run("git", "tag", cwd=template).split()
    assert tags == [*(each.tag for each in past_releases()), f"v{releases.version_of_tree()}"]
    assert (template / "copier.yml").read_bytes() == (ROOT / "copier.yml").read_bytes()
    for each in past_releases():
        assert run("git", "rev-parse", f"{each.tag}^{{commit}}", cwd=template).strip() == each.commit


# make release


def test_tags_what_was_proved(repository: Path) -> None:
    proofs: list[Path] = []
    assert release("1.2.0", repository, proofs.append) == "v1.2.0 is tagged. Publish it: git push origin v1.2.0"
    assert proofs == [repository]
    assert run("git", "cat-file", "-t", "v1.2.0", cwd=repository).strip() == "tag"


def test_tags_nothing_when_a_suite_is_red(repository: Path) -> None:
    def red(_root: Path) -> None:
        raise CommandError("1 failed")

    with pytest.raises(CommandError, match="1 failed"):
        release("1.2.0", repository, red)
    assert not run("git", "tag", cwd=repository)


def leave_something(root: Path) -> None:
    (root / "new.txt").write_text("x")


def tag_it(root: Path) -> None:
    run("git", "tag", "v1.2.0", cwd=root)


def forget_the_notes(root: Path) -> None:
    write(root, "## 1.2.0 - 2030-01-01\n\n### For existing projects\n\n### Added\n")


def forget_the_date(root: Path) -> None:
    write(root, DONE.format("1.2.0").replace(" - 2030-01-01", ""))


@pytest.mark.parametrize(
    ("version", "spoil", "said"),
    [
        ("1.2", proved, "say which version: make release VERSION=1.2.3, not '1.2'"),
        ("1.2.0", leave_something, "commit everything first"),
        ("1.2.0", tag_it, "tags are never moved"),
        ("1.3.0", proved, "begins with 1.2.0: finish its heading as 1.3.0 first"),
        ("1.0.5", lambda root: write(root, DONE.format("1.0.5")), "1.0.5 does not come after 1.2.0"),
        ("1.2.0", forget_the_notes, 'say under "For existing projects"'),
        ("1.2.0", forget_the_date, "write the heading as `## 1.2.0 - year-month-day`"),
    ],
)
def test_refuses_what_is_not_ready(repository: Path, version: str, spoil: Callable[[Path], None], said: str) -> None:
    spoil(repository)
    with pytest.raises(ReleaseError) as refusal:
        check(version, repository)
    assert said in str(refusal.value)
