"""Simulated releases: a small template with this repository's hooks, and a project that its owner edits and updates."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.releases import release_all
from tests.rendering import SETTINGS, commit, copier, fingerprint
from tests.shell import CommandError, attempt, environment, run
from tests.variants import ROOT

ANSWERS = ".copier-answers.yml"
LINES = "".join(f"line {number}\n" for number in range(1, 21))
Content = str | bytes | None


def edited(text: str, *numbers: int, who: str = "mine") -> str:
    """Return the text with some of its lines changed."""
    for number in numbers:
        text = text.replace(f"line {number}\n", f"line {number}, {who}\n")
    return text


def module(version: str) -> str:
    """Return the file name of a release's migration."""
    return f"v{version.replace('.', '_')}.py"


def entry(version: str) -> dict[str, Any]:
    """Return the entry in copier.yml of a release's migration."""
    script = "{{ _copier_conf.src_path }}/hooks/migrate.py"
    command = ["{{ _copier_python }}", script, "{{ _copier_conf.answers_file }}"]
    return {"version": version, "command": command, "when": "{{ true }}"}


def put(root: Path, files: Mapping[str, Content]) -> None:
    """Write files; remove those whose content is None."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


@dataclass
class Template:
    """A template with few files, to which releases are added."""

    root: Path
    manifest: dict[str, Any] = field(default_factory=lambda: {"_subdirectory": "template"})

    def __post_init__(self) -> None:
        ours = shutil.ignore_patterns("__pycache__", "v[0-9]*")
        shutil.copytree(ROOT / "hooks", self.root / "hooks", ignore=ours)
        put(self.root, {"template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n"})

    def release(
        self,
        version: str,
        files: Mapping[str, Content],
        migration: str = "",
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        """Release a version with new files of the template, the text of its migration, and additions to copier.yml."""
        put(self.root / "template", files)
        self.manifest.update(manifest or {})
        if migration:
            put(self.root / "hooks/migrations", {module(version): dedent(migration)})
            self.manifest.setdefault("_migrations", []).append(entry(version))
        put(self.root, {"copier.yml": yaml.safe_dump(self.manifest, sort_keys=False)})
        release_all(self.root, version)

    def project(self, root: Path, *arguments: str, repository: Path | None = None) -> "Project":
        """Render the newest version and commit it, optionally as a part of a larger repository."""
        _copier("copy", "--defaults", "--trust", *arguments, str(self.root), str(root), cwd=self.root)
        commit(repository or root)
        return Project(root, self.root)


@dataclass
class Project:
    """A project made from a simulated template."""

    root: Path
    template: Path
    answers: str = ANSWERS

    def owner(self, files: Mapping[str, Content]) -> None:
        """Write or remove files as the owner, and commit."""
        put(self.root, files)
        commit(self.root)

    def version(self) -> str:
        """Return the version of the template that the project was last updated to."""
        return str(yaml.safe_load(self.text(self.answers))["_commit"])

    def update(self, *arguments: str, **variables: str) -> str:
        """Update to the newest version; check that a second run of its migration changes nothing."""
        since = self.version()
        printed = _copier("update", "--trust", "--defaults", *arguments, cwd=self.root, **variables)
        migration = self.template / "hooks/migrations" / module(self.version()[1:])
        before = self.state()
        for stage in ("before", "after"):
            if migration.is_file() and f"def {stage}(" in migration.read_text():
                status, said = self.hook(STAGE=stage, **versions(since, self.version()))
                if status != 0 or self.state() != before:
                    raise CommandError(f"a second run of the migration was not in vain: {said}")
        return printed

    def hook(self, **variables: str) -> tuple[int, str]:
        """Run the migrations by hand; return the exit status and the output."""
        command = [sys.executable, str(self.template / "hooks/migrate.py"), self.answers]
        done = attempt(*command, cwd=self.root, env=environment(COPIER_SETTINGS_PATH=str(SETTINGS), **variables))
        return done.returncode, done.stdout

    def state(self) -> dict[str, str]:
        """Return a description of every file, and of git's index."""
        files = {path: what for path, what in fingerprint(self.root).items() if path.split("/")[0] != ".git"}
        return {**files, "index": run("git", "ls-files", "--stage", cwd=self.root)}

    def text(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text()

    def has(self, path: str) -> bool:
        """Return whether a path exists."""
        return (self.root / path).exists()

    def unmerged(self) -> list[str]:
        """Return the paths that git shows as conflicts."""
        return run("git", "diff", "--name-only", "--diff-filter=U", "--relative", cwd=self.root).split()

    def stage(self, number: int, path: str) -> str:
        """Return a stage of a path in conflict: 1 is the last update's file, 2 the owner's, 3 the new version's."""
        return run("git", "show", f":{number}:./{path}", cwd=self.root)


def versions(since: str, until: str) -> dict[str, str]:
    """Return the variables that Copier sets for a migration of the newest release."""
    given = {"FROM": since, "TO": until, "PEP440_FROM": since[1:], "PEP440_TO": until[1:], "CURRENT": until[1:]}
    return {f"VERSION_{name}": version for name, version in given.items()}


def _copier(*arguments: str, cwd: Path, **variables: str) -> str:
    status, printed = copier(*arguments, cwd=cwd, **variables)
    if status != 0:
        raise CommandError(printed)
    return printed
