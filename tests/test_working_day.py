"""A service in a folder of a larger repository: set up, committed, mended, and given a migration by its owner."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import Project
from tests.shell import CommandError, environment, run
from tests.variants import Variant, plain_variants

UNTIDY = '"""A module that is too wide."""\n\nimport os\n\nWIDE = [{}]\n'.format(
    ", ".join(f'"{n:020}"' for n in range(9))
)


@pytest.fixture(scope="module")
def project(place: Path, rendered: Callable[[Variant], Path]) -> Project:
    larger = place / f"larger-{os.getpid()}"
    root = Path(shutil.copytree(rendered(plain_variants()[0]), larger / "services/one"))
    run("git", "init", "--quiet", cwd=larger)
    project = Project(root)
    project.setup()
    commit(larger, "Begin")
    return project


def commit(repository: Path, message: str) -> None:
    """Commit with the hooks that `make setup` has installed."""
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "--quiet", "-m", message, cwd=repository, env=environment())


def test_hooks_refuse_the_service_and_leave_others_alone(project: Project) -> None:
    repository = project.root.parents[1]
    (repository / "of_others.py").write_text("import os\n")
    commit(repository, "Something else")
    assert (repository / "of_others.py").read_text() == "import os\n"
    module = project.root / "src/app/untidy.py"
    module.write_text("undefined\n")
    with pytest.raises(CommandError, match="F821 Undefined name"):
        commit(repository, "A mistake")
    ruff = project.root / ".venv/bin/ruff"
    ruff.rename(ruff.with_name("away"))
    try:
        with pytest.raises(CommandError, match=r"make setup first, in \./services/one"):
            commit(repository, "No environment")
    finally:
        ruff.with_name("away").rename(ruff)
        module.unlink()
    run("git", "reset", "--quiet", cwd=repository)
    assert run("git", "status", "--porcelain", cwd=repository) == ""


def test_format_mends_what_it_can(project: Project) -> None:
    module = project.root / "src/app/untidy.py"
    module.write_text(UNTIDY)
    try:
        project.make("format")
        project.make("lint")
        module.write_text(f"{UNTIDY}undefined\n")
        project.make("format")
        with pytest.raises(CommandError, match="F821 Undefined name"):
            project.make("lint")
    finally:
        module.unlink()


def test_migration_is_written_without_complaints(project: Project) -> None:
    models = project.root / "src/app/features/users/models.py"
    comment = "a sentence that no line of a migration can hold, because it goes on and on and on and on and on and on"
    column = f'    nickname: Mapped[str | None] = mapped_column(\n        comment="{comment}"\n    )\n    full_name:'
    before = models.read_text()
    models.write_text(before.replace("    full_name:", column, 1))
    try:
        printed = project.make("migration", 'm=the "real" nickname; `false`')
    finally:
        models.write_text(before)
    (written,) = (project.root / "migrations/service").glob("*_nickname_*.py")
    text = written.read_text()
    assert text.startswith('"""the "real" nickname; `false`.\n')
    assert comment in text
    assert "E501" not in printed
    written.unlink()


def test_first_branch_is_main_whatever_git_prefers(rendered: Callable[[Variant], Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(rendered(plain_variants()[0]), tmp_path / "service"))
    # nothing is installed here: a command that does nothing stands for uv
    prefers = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "init.defaultBranch", "GIT_CONFIG_VALUE_0": "trunk"}
    run("make", "setup", f"UV={shutil.which('true')}", cwd=root, env=environment(**prefers))
    assert run("git", "symbolic-ref", "HEAD", cwd=root) == "refs/heads/main\n"


def test_line_ends_are_those_of_the_template(project: Project) -> None:
    """Where git writes CRLF, each file would differ from the template's in every line."""
    repository = project.root.parents[1]
    windows = repository.with_name(f"on-windows-{os.getpid()}")
    run("git", "-c", "core.autocrlf=true", "clone", "--quiet", str(repository), str(windows), cwd=repository)
    for name in ("Makefile", "src/app/main.py", "README.md"):
        assert (windows / "services/one" / name).read_bytes() == (project.root / name).read_bytes()
