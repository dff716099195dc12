"""`make template-check`, `-update`, `-switch` and `-diff` in a project: their effects and their messages."""

import shutil
from pathlib import Path

from tests import future, owner, rendering, simulated
from tests.edits import replace
from tests.life import HERE, THERE, tool
from tests.owner_edits import DELETED, EDITS, LATER
from tests.shell import attempt, run

UNDO = "git reset --hard && git clean -df"


# check


NDJSON = "src/app/platform/http/ndjson.py"


def test_check_says_when_there_is_nothing_newer(project: Path) -> None:
    assert tool(project, "check", "--fail") == (0, f"up to date: {HERE} is the newest release\n")


def test_check_tells_what_a_newer_release_asks_for(project: Path, template: Path, tmp_path: Path) -> None:
    def change(future_template: Path) -> None:
        heading = "## Unreleased" if "## Unreleased" in (template / "CHANGELOG.md").read_text() else f"## {HERE[1:]}"
        notes = f"## {future.VERSION} - 2099-01-01\n\n### For existing projects\n\nWater the plants.\n\n{heading}"
        replace(future_template / "CHANGELOG.md", f"\n{heading}", f"\n{notes}")
        manifest = future_template / "copier.yml"
        replace(manifest, "small (5 connections, 10 at most)", "small (7 connections, 8 at most)")
        replace(manifest, "asyncpg (fastest): asyncpg\n", "asyncpg (fastest): asyncpg_next\n")
        replace(manifest, "  default: asyncpg\n", "  default: asyncpg_next\n")
        replace(manifest, "# 3. Computed", "colour:\n  type: str\n  help: Which?\n  default: blue\n\n# 3. Computed")

    future.move_to(project, future.release(template, tmp_path / "future", change))
    assert tool(project, "check", "--fail")[0] == 3
    status, printed = tool(project, "check")
    assert status == 0
    assert not run("git", "status", "--porcelain", cwd=project)
    assert printed.startswith(f"update available: {HERE} → {THERE}\n")
    assert "Water the plants." in printed
    assert "'small (5 connections, 10 at most)', and now means 'small (7 connections, 8 at most)'" in printed
    assert "db_driver: asyncpg is no longer a choice; an update falls back to asyncpg_next" in printed
    assert "colour: a new question, 'Which?'; an update takes blue" in printed


def test_check_through_make(project: Path) -> None:
    """uv provides Copier, so the command needs no environment of the project."""
    assert run("make", "template-check", cwd=project).startswith("up to date")


# update


def touch_security(template: Path) -> None:
    """Change a file that is the same in all variants."""
    file = template / "template/src/app/platform/security.py"
    file.write_text(file.read_text().replace('"""', '"""Of the future. ', 1))


def test_update_merges_and_says_what_to_do(project: Path, template: Path, tmp_path: Path) -> None:
    owner.work_on(project)
    future.move_to(project, future.release(template, tmp_path / "future", touch_security, future.platform_revision))
    status, printed = tool(project, "update")
    assert status == 0
    assert printed.startswith(f"Merged: {HERE} → {THERE}.")
    assert "CONFLICTS" not in printed
    assert "Of the future." in (project / "src/app/platform/security.py").read_text()
    assert not owner.lost(project)


def test_update_fails_on_a_conflict_and_names_the_file(project: Path, template: Path, tmp_path: Path) -> None:
    file = project / "src/app/platform/security.py"
    file.write_text(file.read_text().replace('"""', '"""Of our own. ', 1))
    future.move_to(project, future.release(template, tmp_path / "future", touch_security))
    before = owner.contents(project)
    done = attempt("make", "template-update", cwd=project)
    assert done.returncode != 0
    assert "CONFLICTS" in done.stdout
    assert "  src/app/platform/security.py\n" in done.stdout
    assert owner.unmerged(project) == ["src/app/platform/security.py"]
    assert UNDO in done.stdout
    run("sh", "-c", UNDO, cwd=project)
    assert owner.contents(project) == before
    assert not run("git", "status", "--porcelain", cwd=project)


def test_update_puts_edits_aside_when_a_release_removes_their_file(
    project: Path, template: Path, tmp_path: Path
) -> None:
    file = project / "src/app/platform/http/ndjson.py"
    file.write_text(file.read_text() + "\nOURS = 1\n")
    mine = file.read_bytes()

    def change(root: Path) -> None:
        (root / "template" / NDJSON).unlink()
        module = (root / "template" / NDJSON).with_name("etags.py")
        module.with_suffix("").mkdir()
        module.rename(module.with_suffix("") / "__init__.py")

    future.move_to(project, future.release(template, tmp_path / "future", change))
    status, printed = tool(project, "update")
    assert status == 0, printed
    assert "imports app.platform.http.etags" not in printed, "a package now"
    assert not file.exists()
    assert "  src/app/platform/http/ndjson.py\n" in printed
    assert "src/app/features/orders/routes.py imports app.platform.http.ndjson" in printed
    assert (project / "kept-edits/src/app/platform/http/ndjson.py.mine").read_bytes() == mine
    assert "+OURS = 1" in (project / "kept-edits/src/app/platform/http/ndjson.py.diff").read_text()


def test_update_keeps_what_has_a_name_that_a_release_takes_and_says_so(
    project: Path, template: Path, tmp_path: Path
) -> None:
    """A file at the same path is a conflict; a module beside a package of its name is hidden by it, or hides it."""
    theirs = {
        "docs/mail.md": "Mail of the template.\n",
        "tests/make_mail/__init__.py": "",
        "src/app/platform/mail.py": "",
        "tests/letters/test_letters.py": "",
    }
    mine = {
        "docs/mail.md": "Our mail.\n",
        "tests/make_mail.py": "OURS = 1\n",
        "src/app/platform/mail/__init__.py": "OURS = 2\n",
        "tests/letters.py": "OURS = 3\n",
        # neither is new
        "tests/both.py": "",
        "tests/both/__init__.py": "",
    }
    simulated.put(project, mine)
    rendering.commit(project)
    future.move_to(
        project, future.release(template, tmp_path / "future", lambda root: simulated.put(root / "template", theirs))
    )
    status, printed = tool(project, "update")
    assert status == 1
    assert owner.unmerged(project) == ["docs/mail.md"]
    assert "Our mail." in (project / "docs/mail.md").read_text()
    assert all((project / path).read_text() == text for path, text in mine.items() if path != "docs/mail.md")
    hidden = printed.partition("HIDDEN")[2].partition("\n\n")[0].splitlines()[1:]
    assert hidden == [
        "  src/app/platform/mail.py, by the package src/app/platform/mail/",
        "  tests/letters/, by tests/letters.py",
        "  tests/make_mail.py, by the package tests/make_mail/",
    ]


def test_update_moves_edits_with_their_file(project: Path, template: Path, tmp_path: Path) -> None:
    """A migration renames the file, so the edits are merged and nothing is left to port."""

    def rename(root: Path) -> None:
        (root / "template/src/app/platform/http/ndjson.py").rename(root / "template/src/app/platform/http/lines.py")
        step = 'move(update, "src/app/platform/http/ndjson.py", "src/app/platform/http/lines.py")'
        future.migration(root, f"from hooks.files import move\n\n\ndef after(update):\n    {step}\n")

    file = project / "src/app/platform/http/ndjson.py"
    file.write_text(file.read_text() + "\nOURS = 1\n")
    mine = file.read_bytes()
    future.move_to(project, future.release(template, tmp_path / "future", rename))
    status, printed = tool(project, "--trust", "update")
    assert status == 0, printed
    assert not file.exists()
    assert file.with_name("lines.py").read_bytes() == mine
    assert "kept-edits" not in printed
    assert not (project / "kept-edits").exists()


def test_update_asks_before_a_migration_runs(project: Path, template: Path, tmp_path: Path) -> None:
    def change(root: Path) -> None:
        future.add_migration(root, {"version": future.VERSION, "command": ["touch", "migrated"]})

    future.move_to(project, future.release(template, tmp_path / "future", change))
    status, printed = tool(project, "update")
    assert status == 1
    assert "make template-update TRUST=1" in printed
    assert not run("git", "status", "--porcelain", cwd=project)
    assert run("make", "template-update", "TRUST=1", cwd=project).startswith("Merged")
    assert (project / "migrated").exists()


def test_an_update_that_breaks_off_says_how_to_go_back(project: Path, template: Path, tmp_path: Path) -> None:
    def change(root: Path) -> None:
        future.add_migration(root, {"version": future.VERSION, "command": ["false"]})

    future.move_to(project, future.release(template, tmp_path / "future", change, touch_security))
    before = owner.contents(project)
    status, printed = tool(project, "--trust", "update")
    assert status == 1
    assert "Traceback" not in printed
    assert UNDO in printed
    run("sh", "-c", UNDO, cwd=project)
    assert owner.contents(project) == before


def test_update_works_in_a_part_of_a_repository(born: Path, template: Path, tmp_path: Path) -> None:
    project = tmp_path / "everything" / "service"
    shutil.copytree(born, project, ignore=shutil.ignore_patterns(".git"))
    file = project / "src/app/platform/http/ndjson.py"
    file.write_text(file.read_text() + "\nOURS = 1\n")
    future.move_to(project, future.release(template, tmp_path / "future", touch_security), project.parent)
    assert not (project / ".git").exists(), "the repository is the one above"
    status, printed = tool(project, "update")
    assert status == 0, printed
    assert "OURS" in file.read_text()
    assert "Of the future." in (project / "src/app/platform/security.py").read_text()


# diff


def test_diff_shows_what_the_owner_changed_in_the_templates_files(project: Path) -> None:
    assert tool(project, "diff") == (0, "This project has not changed any file of the template.\n")
    owner.edit(project)
    _, printed = tool(project, "diff")
    changed = {line.split()[2].removeprefix("template/") for line in printed.splitlines() if line.startswith("diff ")}
    assert changed == {edit.path for edit in (*EDITS, *LATER)} | {DELETED}
