"""Imports of whole projects after a release that moved modules: sorted, and with the edits of owners."""

import shutil
import sys
from pathlib import Path

import pytest

from hooks.imports import rewrite
from tests.rendering import commit, render
from tests.shell import run
from tests.simulated import Content, Project, Template
from tests.test_imports import NAMES, RENAMES

# the real template: what ruff found sorted is sorted afterwards


def check(project: Path) -> None:
    """Have ruff look at the imports, with the service's own configuration."""
    run(
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select=I,F401,F811,F821",
        "--config=pyproject.toml",
        ".",
        cwd=project,
    )


def test_real_files_stay_sorted(template: Path, tmp_path: Path) -> None:
    project = render(template, tmp_path / "project", {"task_queue": "celery"}, ref="v0.3.1")
    check(project)
    changed = 0
    for path in project.rglob("*.py"):
        text = path.read_text()
        after = rewrite(text, RENAMES)
        changed += after != text
        path.write_text(after)
    assert changed > 20
    check(project)
    assert "transitions.claim(" in (project / "src/app/tasks/runner.py").read_text()


# through Copier's command line

STEPS = f"""
    from hooks.files import move
    from hooks.imports import rename_modules

    def after(update):
        rename_modules(update, {NAMES})
        move(update, "app/db.py", "app/platform/db.py")
"""
USER = "from app.db import pool\n\n\ndef use() -> object:\n    return pool\n"


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str, Path]:
    place = tmp_path_factory.mktemp("imports")
    template = Template(place / "template")
    database = "from app.errors import Error\n\npool = Error\nsize = 1\n"
    template.release("0.1.0", {"app/db.py": database, "app/user.py": USER, "app/deleted.py": USER})
    project = template.project(place / "project")
    fresh = shutil.copytree(project.root, place / "fresh")
    _own(project)
    new = {"app/user.py": USER, "app/deleted.py": USER, "app/platform/db.py": database}
    changed: dict[str, Content] = {
        path: text.replace("app.db", "app.platform.db").replace("app.errors", "app.platform.errors")
        for path, text in new.items()
    }
    template.release("0.2.0", {**changed, "app/db.py": None}, STEPS)
    untouched = Project(fresh, template.root)
    untouched.update()
    commit(untouched.root)
    return project, project.update(), untouched.root


def _own(project: Project) -> None:
    project.owner(
        {
            "app/user.py": USER.replace("return pool", "return pool, 'mine'"),
            "app/deleted.py": None,
            "app/own.py": USER,
            "app/other.py": "import os\n",
            "app/broken.py": "from app.db import (\n",
            "app/latin.py": b"from app.db import pool  # \xe9\n",
            "app/text.txt": "import app.db\n",
            "app/db.py": "from app.errors import Error\n\npool = Error\nsize = 2\n",
        }
    )
    (project.root / "app/link.py").symlink_to("own.py")
    project.owner({})


def test_edits_and_own_files_follow(updated: tuple[Project, str, Path]) -> None:
    project, _, _ = updated
    expected = USER.replace("app.db", "app.platform.db")
    assert project.text("app/user.py") == expected.replace("return pool", "return pool, 'mine'")
    assert project.text("app/own.py") == expected
    assert (project.root / "app/link.py").is_symlink()
    assert project.text("app/platform/db.py") == "from app.platform.errors import Error\n\npool = Error\nsize = 2\n"
    assert not project.has("app/db.py")
    assert not project.has("app/deleted.py")
    assert not project.unmerged()


def test_an_untouched_project_is_as_if_rendered_afresh(updated: tuple[Project, str, Path]) -> None:
    project, _, untouched = updated
    fresh = render(project.template, untouched.parent / "again", {})
    for path in fresh.rglob("*.py"):
        assert (untouched / path.relative_to(fresh)).read_text() == path.read_text()


def test_all_else_stays_and_is_told(updated: tuple[Project, str, Path]) -> None:
    project, said, _ = updated
    changed = run("git", "status", "--porcelain", cwd=project.root).split()
    assert not {"app/other.py", "app/broken.py", "app/latin.py", "app/text.txt", "app/link.py"} & set(changed)
    assert said.count("app/broken.py: its imports stay as they are, since it cannot be read: ") == 1
    assert said.count("app/latin.py: its imports stay as they are, since it cannot be read: it is not UTF-8") == 1
