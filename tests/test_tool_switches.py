"""`make template-switch` in a project: no edit is lost silently."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests import owner, rendering
from tests.edits import replace
from tests.life import tool
from tests.shell import run


def test_switch_puts_edits_aside_and_back(project: Path) -> None:
    """Edits in files that the other answer removes are listed, kept, and merged back when the files return."""
    files = [project / "src/app/features/orders/repository.py", project / "tests/features/users/test_repository.py"]
    for file in files:
        file.write_text(f"{file.read_text()}\n\nOURS = 1\n")
    imported = "from app.platform.db.repository import AsyncRepository\n"
    (project / "src/app/report.py").write_text(f'"""Ours."""\n\n{imported}')
    rendering.commit(project)
    before = owner.contents(project)
    printed = tool(project, "switch", "data_access=dao")[1]
    assert "data_access: repository → dao" in printed
    assert "  src/app/features/orders/repository.py\n  tests/features/users/test_repository.py\n" in printed
    assert "src/app/report.py imports app.platform.db.repository" in printed
    assert "OURS" in (project / "kept-edits/src/app/features/orders/repository.py.mine").read_text()
    assert "+OURS = 1" in (project / "kept-edits/src/app/features/orders/repository.py.diff").read_text()
    rendering.commit(project)
    assert "kept-edits/ still holds your changes of removed files (2)" in tool(project, "check")[1]
    printed = tool(project, "switch", "data_access=repository")[1]
    assert "Your edits, merged back into files that returned:" in printed
    assert owner.contents(project) == before


def test_switch_marks_an_edit_that_both_styles_have_otherwise(project: Path) -> None:
    service = project / "src/app/features/users/service.py"
    shown = "return await UserRepository(session).{}(user_id)"
    replace(service, shown.format("show"), shown.format("look_up"))
    rendering.commit(project)
    status, printed = tool(project, "switch", "data_access=dao")
    assert status == 1
    assert "  src/app/features/users/service.py\n" in printed
    assert owner.unmerged(project) == ["src/app/features/users/service.py"]


def test_switch_keeps_each_of_two_edits(project: Path) -> None:
    """Edits that wait to be ported are not overwritten by later ones."""
    file = project / "src/app/features/orders/repository.py"
    for edit in ("FIRST = 1", "SECOND = 2"):
        rendering.commit(project)
        if not file.exists():
            file.write_text("a draft\n")
            rendering.commit(project)
            tool(project, "switch", "data_access=repository")
        file.write_text(f"{file.read_text()}\n{edit}\n")
        rendering.commit(project)
        tool(project, "switch", "data_access=dao")
    kept = "".join(path.read_text() for path in (project / "kept-edits").rglob("*.mine"))
    assert "FIRST = 1" in kept
    assert "SECOND = 2" in kept


def test_switch_lists_what_comes_beside_deleted_files(project: Path) -> None:
    shutil.rmtree(project / "src/app/features/orders")
    rendering.commit(project)
    status, printed = tool(project, "switch", "data_access=dao")
    assert status == 0, printed
    assert "delete them as well:\n  src/app/features/orders/dao.py\n" in printed


def test_switch_takes_any_text_from_make(project: Path) -> None:
    text = "It's ours & theirs; all of it. What's 'that' worth: $5 a=b?"
    run("make", "template-switch", f"description={text}", "PYTEST_WORKERS=1", cwd=project)
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["description"] == text
    assert text in (project / "README.md").read_text()


HOSTILE = {
    "whitespace": "[apply]\n\twhitespace = error\n[diff]\n\tcontext = 0\n\tnoprefix = true\n",
    "names": "[core]\n\tquotePath = false\n[status]\n\tshowUntrackedFiles = no\n",
    "line ends": "[core]\n\tautocrlf = true\n",
}


@pytest.mark.parametrize("settings", HOSTILE)
def test_no_setting_of_git_costs_an_edit(project: Path, tmp_path: Path, settings: str) -> None:
    """Trailing blanks, bytes that are not UTF-8 and unusual names are unchanged after a switch and back."""
    config = tmp_path / "gitconfig"
    config.write_text(HOSTILE[settings])
    (project / "docs/gr\u00f6\u00dfe.md").write_text("ours\n")
    for path in ("README.md", "src/app/platform/security.py", "src/app/features/users/repository.py"):
        file = project / path
        file.write_bytes(file.read_bytes() + b"# ours   \n")
    (project / "docs/tuning.md").write_bytes((project / "docs/tuning.md").read_bytes() + b"caf\xe9\n")
    rendering.commit(project)
    before = normalised(project)
    for answer in ("dao", "repository"):
        status, printed = tool(project, "switch", f"data_access={answer}", GIT_CONFIG_GLOBAL=str(config))
        assert status == 0, printed
        rendering.commit(project)
    assert normalised(project) == before


def normalised(project: Path) -> dict[str, bytes]:
    """Return the contents with Unix line ends, because a git setting may change them."""
    return {path: text.replace(b"\r\n", b"\n") for path, text in owner.contents(project).items()}
