"""The `make template-…` commands refuse what they cannot do with a sentence, and change nothing on disk."""

import shutil
from pathlib import Path

import pytest

from tests import future, life, rendering
from tests.life import HERE, THERE, tool
from tests.releases import release_all
from tests.rendering import fingerprint
from tests.shell import run
from tests.variants import plain_variants


def refused(project: Path, *arguments: str, **variables: str) -> str:
    """Run the tool, check that it fails without a traceback and changes nothing, and return its message."""
    before = state(project)
    status, printed = tool(project, *arguments, **variables)
    assert status == 1, printed
    assert "Traceback" not in printed
    assert state(project) == before
    return printed


def state(project: Path) -> dict[str, str]:
    """Return the state of all files except Python's caches and git's index, which holds times."""
    return {
        path: what
        for path, what in fingerprint(project).items()
        if "__pycache__" not in path and path not in {".git", ".git/index", "dev", "dev/template"}
    }


@pytest.mark.parametrize("command", [("update",), ("switch", "db_driver=psycopg")], ids=["update", "switch"])
def test_changes_that_are_not_committed(project: Path, command: tuple[str, ...]) -> None:
    (project / "README.md").write_text("mine\n")
    (project / "new.txt").write_text("mine\n")
    said = refused(project, *command)
    assert "commit or stash your changes first" in said
    assert " M README.md\n?? new.txt" in said


def test_files_that_git_ignores(project: Path) -> None:
    """Files of the owner's could not be restored by a commit, and new ones of the template would be in none."""
    run("git", "rm", "--quiet", "--cached", ".env.example", cwd=project)
    with (project / ".gitignore").open("a") as file:
        file.write(".env.*\n/src/app/features/orders/dao.py\ntest_dao.py\nupdates.py\n")
    rendering.commit(project)
    (project / "src/app/features/orders/dao.py").write_text("precious\n")
    said = refused(project, "switch", "data_access=dao")
    new = (
        "src/app/platform/db/dao/updates.py",
        *(f"tests/features/{name}/test_dao.py" for name in ("orders", "users")),
    )
    assert said.endswith("\n  ".join([":", ".env.example", "src/app/features/orders/dao.py", *new]) + "\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("db_driver=mysql", "db_driver"),
        ("project_slug=No Slug", "lower-case letters"),
        ("colour=blue", "There is no question colour: make template-switch data_access=dao. This project has"),
        ("colour", "There is no question colour"),
    ],
)
def test_answers_that_do_not_exist(project: Path, answer: str, said: str) -> None:
    assert said in refused(project, "switch", answer)


def test_no_answer_at_all(project: Path) -> None:
    assert "Name the answer to change" in refused(project, "switch")


def test_a_downgrade(project: Path) -> None:
    assert f"v0.1.0 is older than {HERE}; to go back, use git" in refused(project, "update", "--to=v0.1.0")


def test_a_release_that_does_not_exist(project: Path) -> None:
    assert f"There is no release v7.7.7; the newest is {HERE}." in refused(project, "update", "--to=v7.7.7")


@pytest.mark.parametrize("what", ["untagged", "between", "dirty"])
def test_a_project_that_was_not_made_from_a_release(template: Path, tmp_path: Path, what: str) -> None:
    source = tmp_path / "template"
    run("git", "clone", "--quiet", str(template), str(source), cwd=tmp_path)
    if what == "untagged":
        run("sh", "-c", "git tag | xargs git tag --delete", cwd=source)
    if what == "between":
        rendering.commit(source)
    if what == "dirty":
        (source / "template/new.txt").write_text("not committed\n")
    project = life.born(source, tmp_path / "service", None, plain_variants()[0])
    if what == "untagged":
        release_all(source, future.VERSION)
    said = refused(project, "update")
    assert "updates start from releases, and this project was made from" in said
    nearest = THERE if what == "untagged" else HERE
    assert f"Write `_commit: {nearest}`" in said


def test_a_machine_without_git(project: Path, tmp_path: Path) -> None:
    assert "git is not installed" in refused(project, "update", PATH=str(tmp_path))


def test_a_project_without_a_commit(project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert "This project has no commit to go back to" in refused(project, "update")


def test_a_folder_that_is_no_project(project: Path) -> None:
    (project / ".copier-answers.yml").unlink()
    rendering.commit(project)
    assert ".copier-answers.yml cannot be read" in refused(project, "check")


def test_a_template_that_cannot_be_reached(project: Path) -> None:
    future.move_to(project, Path("/nowhere/template"))
    message = "Cannot clone the template from /nowhere/template (_src_path in .copier-answers.yml)"
    assert message in refused(project, "check")
