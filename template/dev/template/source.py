"""The template's repository: its releases, their notes and questions, and rendering them."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import copier
import yaml
from copier.errors import CopierError
from packaging.version import InvalidVersion, Version

from dev.template.errors import TemplateError
from dev.template.merge import lines_of
from dev.template.project import ANSWERS, Project, git

SHORTCUTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": ""}
NOTES = re.compile(
    r"^## (?P<version>\d\S*)(?:(?!^## ).)*?\n### For existing projects\n(?P<notes>.*?)(?=^##|\Z)",
    re.MULTILINE | re.DOTALL,
)


def parse(tag: str) -> Version | None:
    """Return the version that a tag names; None if it names none."""
    try:
        return Version(tag)
    except InvalidVersion:
        return None


class Source:
    """A clone of the template with all its history."""

    def __init__(self, clone: Path) -> None:
        self._clone = clone

    @cached_property
    def releases(self) -> dict[str, Version]:
        """The version of each release by its tag, oldest first."""
        tags = git("tag", "--list", cwd=self._clone).decode().split()
        found = {tag: version for tag in tags if (version := parse(tag)) and not version.is_prerelease}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def newest(self) -> str:
        """The tag of the newest release.

        Raises:
            TemplateError: the template has no releases.
        """
        if not self.releases:
            raise TemplateError("The template has no releases: it has no tags such as v1.2.3.")
        return list(self.releases)[-1]

    def release_of(self, project: Project) -> str:
        """Return the tag of the release that a project was made from.

        Raises:
            TemplateError: the project was not made from a release.
        """
        commit = str(project.remembered["_commit"])
        if commit in self.releases:
            return commit
        try:
            merged = git("tag", "--merged", commit, cwd=self._clone).decode().split()
        except TemplateError:
            merged = []
        if before := [tag for tag in self.releases if tag in merged]:
            what, nearest = "lies between two releases", before[-1]
        else:
            what = "the template does not know as a release: it was not tagged, or not committed"
            nearest = self._nearest(project)
        advice = (
            f"Write `_commit: {nearest}`, the release that is nearest to your files, into {ANSWERS}, and commit.\n"
            "All differences from that release then count as your own changes, and are kept."
        )
        unknown = f"No release matches its files: write the release it was made from into {ANSWERS}, and commit."
        raise TemplateError(
            f"Nothing was done: updates start from releases, and this project was made from {commit}, which {what}.\n"
            f"{advice if nearest else unknown}"
        )

    def _nearest(self, project: Project) -> str:
        """Return the release that matches most of the project's files, the oldest if several do; empty if none matches.

        A release that is too new would do damage unnoticed: the migrations up to it would never run.
        """
        scores = dict.fromkeys(self.releases, 0)
        for tag in self.releases:
            with tempfile.TemporaryDirectory() as place, suppress(TemplateError):
                rendered = self.render(tag, project.answers, Path(place, "project"))
                pairs = [
                    (path, project.root / path.relative_to(rendered)) for path in rendered.rglob("*") if path.is_file()
                ]
                scores[tag] = sum(
                    mine.is_file() and lines_of(path.read_bytes()) == lines_of(mine.read_bytes())
                    for path, mine in pairs
                )
        nearest = max(scores, key=lambda tag: scores[tag], default="")
        return nearest if scores.get(nearest) else ""

    def read(self, tag: str, path: str) -> str:
        """Return the text of a file of the template at a release; empty if the release does not have it."""
        try:
            return git("show", f"{tag}:{path}", cwd=self._clone).decode()
        except TemplateError:
            return ""

    def copy(self, tag: str, folder: str, target: Path) -> bool:
        """Copy a folder of the template as it was in a release; return whether it was there."""
        listed = git("ls-tree", "-r", "-z", "--name-only", tag, f"{folder}/", cwd=self._clone).decode()
        paths = list(filter(None, listed.split("\0")))
        for path in paths:
            place = target / Path(path).relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(git("show", f"{tag}:{path}", cwd=self._clone))
        return bool(paths)

    def questions(self, tag: str) -> dict[str, dict[str, Any]]:
        """Return the questions of a release, without its computed values."""
        asked = yaml.safe_load(self.read(tag, "copier.yml")) or {}
        named = {name: each for name, each in asked.items() if not name.startswith("_") and isinstance(each, dict)}
        return {name: each for name, each in named.items() if each.get("when") is not False}

    def notes(self, after: str, upto: str) -> dict[str, str]:
        """Return the notes for existing projects of each release after `after` up to `upto`, newest first."""
        found = {match["version"]: match["notes"].strip() for match in NOTES.finditer(self.read(upto, "CHANGELOG.md"))}
        wanted = (self.releases[after], self.releases[upto])
        return {name: text for name, text in found.items() if (v := parse(name)) and wanted[0] < v <= wanted[1]}

    def render(self, tag: str, answers: Mapping[str, Any], target: Path) -> Path:
        """Render a release into a new folder.

        Raises:
            TemplateError: the release does not accept the answers.
        """
        try:
            copier.run_copy(
                str(self._clone), target, data=dict(answers), vcs_ref=tag, defaults=True, quiet=True, skip_tasks=True
            )
        except (ValueError, CopierError) as error:
            raise TemplateError(f"{tag} does not accept these answers: {error}") from error
        return target


@contextmanager
def clone_of(project: Project) -> Iterator[Source]:
    """Clone the template of a project into a temporary folder.

    Raises:
        TemplateError: the template cannot be cloned.
    """
    url = str(project.remembered["_src_path"])
    url = str(Path(url).expanduser()) if url.startswith("~") else url
    for shortcut, address in SHORTCUTS.items():
        if url.startswith(shortcut):
            url = address + url.removeprefix(shortcut)
    with tempfile.TemporaryDirectory(prefix="template-") as name:
        clone = Path(name).resolve() / "template"
        try:
            git("clone", "--quiet", url, clone, cwd=project.root)
        except TemplateError as error:
            raise TemplateError(f"Cannot clone the template from {url} (_src_path in {ANSWERS}). {error}") from error
        yield Source(clone)
