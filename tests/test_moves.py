"""Files that a release moves, through Copier's command line: the owner's edits move along, and nothing is lost."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shell import run
from tests.simulated import LINES, Content, Project, Template, edited, put

MOVE = """
    from hooks.files import move

    def after(update):
        move(update, "old.txt", "new.txt")
"""
# the release's own change of the file that it moves
NEWER = edited(LINES, 20, who="newer")


@pytest.fixture
def template(tmp_path: Path) -> Template:
    made = Template(tmp_path / "template")
    made.release("0.1.0", {"old.txt": LINES})
    return made


def move(template: Template, migration: str = MOVE) -> None:
    template.release("0.2.0", {"old.txt": None, "new.txt": NEWER}, migration)


def test_without_a_migration_the_edit_is_lost(template: Template, tmp_path: Path) -> None:
    """The reason for hooks/: Copier loses the edit without a word."""
    project = template.project(tmp_path / "project")
    project.owner({"old.txt": edited(LINES, 2)})
    move(template, migration="")
    project.update()
    assert not project.has("old.txt")
    assert project.text("new.txt") == NEWER
    assert not project.unmerged()


# one update of a project with all kinds of edits

NAMES = (
    "edited",
    "untouched",
    "conflict",
    "deleted",
    "occupied",
    "mode",
    "link",
    "bytes",
    "image",
    "logo",
    "icon",
    "crlf",
)
LATIN = LINES.encode().replace(b"line 10", b"line \xe9")
SPECIAL: dict[str, tuple[bytes, bytes]] = {
    "bytes": (LATIN, LATIN + b"newer\n"),
    "image": (b"\0\xff\n", b"\0\xff newer\n"),
    "icon": (b"\0\xff\n", b"\0\xff newer\n"),
    "logo": (b"\0\xff\n", b"\0\xff\n"),
}
STEPS = f"""
    from hooks.files import move

    def after(update):
        for name in {NAMES}:
            move(update, f"old/{{name}}", f"new/{{name}}")
        move(update, "db", "data/store")
        move(update, "rich", "wealthy")
        move(update, "riches", "wealth")
        move(update, "plain", "simple")
"""
FLAVOUR = {
    "flavour": {"type": "str", "default": "rich", "choices": ["rich", "plain"]},
    "_exclude": ["{% if flavour == 'rich' %}\nplain\nsimple\n{% else %}\nrich\nwealthy\nriches\nwealth\n{% endif %}"],
}


@dataclass
class Updated:
    project: Project
    fresh: Project
    said: str
    outside: Path


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Updated:
    place = tmp_path_factory.mktemp("moves")
    template = Template(place / "template")
    first: dict[str, Content] = {f"old/{name}": SPECIAL.get(name, (LINES,))[0] for name in NAMES}
    apart = {"rich": LINES, "riches/one": LINES, "plain": LINES, "db/one": LINES, "db/deep/two": LINES, "dbs": "no\n"}
    template.release("0.1.0", {**first, **apart}, manifest=FLAVOUR)
    project = template.project(place / "project")
    outside = place / "outside"
    outside.write_text("not ours\n")
    _edit(project, outside)
    moved: dict[str, Content] = {f"new/{name}": SPECIAL.get(name, (b"", NEWER))[1] for name in NAMES}
    gone: dict[str, Content] = dict.fromkeys([*first, *apart.keys() - {"dbs"}])
    there = {
        "wealthy": NEWER,
        "wealth/one": NEWER,
        "simple": NEWER,
        "data/store/one": NEWER,
        "data/store/deep/two": NEWER,
    }
    template.release("0.2.0", {**gone, **moved, **there}, STEPS)
    said = project.update("--data=flavour=plain")
    return Updated(project, template.project(place / "fresh", "--data=flavour=plain"), said, outside)


def _edit(project: Project, outside: Path) -> None:
    (project.root / "old/mode").chmod(0o755)
    (project.root / "old/link").unlink()
    (project.root / "old/link").symlink_to(outside)
    mine: dict[str, Content] = {
        **dict.fromkeys(["old/edited", "rich", "db/deep/two"], edited(LINES, 2)),
        "old/conflict": edited(LINES, 2, 20),
        "old/deleted": None,
        "old/occupied": edited(LINES, 2),
        "new/occupied": "something else\n",
        "old/bytes": b"mine\n" + LATIN,
        "old/crlf": edited(LINES, 2).replace("\n", "\r\n"),
        **dict.fromkeys(["old/image", "old/logo"], b"\0\xff mine\n"),
        **dict.fromkeys(["db/deep/own", "riches/own"], "own\n"),
        ".gitignore": "*.cache\n",
        "db/some.cache": "",
    }
    project.owner(mine)


def test_edits_come_along(updated: Updated) -> None:
    assert updated.project.text("new/edited") == edited(NEWER, 2)
    assert not updated.project.has("old/edited")
    assert "new/edited: was old/edited, with your edits" in updated.said


def test_what_nobody_edited_is_as_if_rendered_afresh(updated: Updated) -> None:
    fresh, state = updated.fresh.state(), updated.project.state()
    for path in ("new/untouched", "data/store/one"):
        assert state[path] == fresh[path]
        assert f"{path}:" not in updated.said
    assert not updated.project.has("old/untouched")


def test_a_conflict_is_one_for_git_too(updated: Updated) -> None:
    assert "new/conflict: your edits and the new version conflict" in updated.said
    text = updated.project.text("new/conflict")
    assert "<<<<<<< before updating\nline 20, mine\n=======\nline 20, newer\n>>>>>>> after updating\n" in text
    stages = [updated.project.stage(number, "new/conflict") for number in (1, 2, 3)]
    assert stages == [LINES, edited(LINES, 2, 20), NEWER]


def test_nothing_else_is_a_conflict_and_nothing_is_staged(updated: Updated) -> None:
    assert updated.project.unmerged() == ["new/conflict", "new/image", "new/link", "new/occupied"]
    staged = run("git", "diff", "--name-only", "--cached", "--diff-filter=u", cwd=updated.project.root)
    assert staged.split() == []


def test_what_the_owner_deleted_stays_deleted(updated: Updated) -> None:
    assert not updated.project.has("old/deleted")
    assert not updated.project.has("new/deleted")


def test_a_file_of_the_owners_own_at_the_new_path_is_kept_beside_the_old_one(updated: Updated) -> None:
    assert "old/occupied: stays, with your edits, since new/occupied is a file of your own" in updated.said
    assert updated.project.text("old/occupied") == edited(LINES, 2)
    assert "something else\n" in updated.project.text("new/occupied")
    assert updated.project.stage(2, "new/occupied") == "something else\n"


def test_the_mode_is_merged_as_well(updated: Updated) -> None:
    assert os.access(updated.project.root / "new/mode", os.X_OK)
    assert updated.project.text("new/mode") == NEWER


def test_bytes_that_are_no_utf8_are_merged(updated: Updated) -> None:
    assert (updated.project.root / "new/bytes").read_bytes() == b"mine\n" + LATIN + b"newer\n"


def test_windows_line_ends_are_no_conflict(updated: Updated) -> None:
    assert (updated.project.root / "new/crlf").read_bytes() == edited(NEWER, 2).replace("\n", "\r\n").encode()


@pytest.mark.parametrize(("name", "who"), [("image", b"mine"), ("logo", b"mine"), ("icon", b"newer")])
def test_what_has_no_lines_is_the_owners_if_edited(name: str, who: bytes, updated: Updated) -> None:
    assert (updated.project.root / "new" / name).read_bytes() == b"\0\xff " + who + b"\n"


def test_a_link_is_not_written_through(updated: Updated) -> None:
    assert (updated.project.root / "new/link").readlink() == updated.outside
    assert updated.outside.read_text() == "not ours\n"


def test_a_directory_moves_with_the_owners_own_files(updated: Updated) -> None:
    assert updated.project.text("data/store/deep/two") == edited(NEWER, 2)
    assert updated.project.text("data/store/deep/own") == "own\n"
    assert "data/store/deep/own: was db/deep/own, your own file" in updated.said
    assert [path.name for path in (updated.project.root / "db").rglob("*")] == ["some.cache"], "git ignores it"
    assert updated.project.text("dbs") == "no\n"


def test_new_answers_without_the_file_leave_the_edited_one(updated: Updated) -> None:
    assert "rich: stays, with your edits, since the new version has no wealthy" in updated.said
    assert updated.project.text("rich") == edited(LINES, 2)
    assert not updated.project.has("wealthy")


def test_new_answers_without_the_directory_leave_the_owners_own_files(updated: Updated) -> None:
    assert updated.project.text("riches/own") == "own\n"
    assert not updated.project.has("riches/one")
    assert not updated.project.has("wealth")


def test_old_answers_without_the_file_get_it_afresh(updated: Updated) -> None:
    assert updated.project.text("simple") == NEWER


# other places


def test_a_part_of_a_larger_repository_and_a_template_from_afar(template: Template, tmp_path: Path) -> None:
    """For a remote template Copier provides a work tree of its mirror, not a clone; the answers file is renamed too."""
    options = ["--answers-file=.answers.service.yml"]
    project = template.project(tmp_path / "mono/services/one", *options, repository=tmp_path / "mono")
    project.answers = ".answers.service.yml"
    answers = project.text(project.answers).replace(str(template.root), f"git+file://{template.root}")
    put(project.root, {project.answers: answers, "old.txt": edited(LINES, 2, 20)})
    run("git", "commit", "--quiet", "--all", "--message=edit", cwd=project.root)
    move(template)
    project.update(*options, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (tmp_path / "cache/copier").is_dir()
    assert "line 2, mine\n" in project.text("new.txt")
    assert not project.has("old.txt")
    assert project.unmerged() == ["new.txt"]
    assert project.stage(3, "new.txt") == NEWER


# several releases


def test_what_moved_twice_keeps_its_edits(template: Template, tmp_path: Path) -> None:
    project = template.project(tmp_path / "project")
    project.owner({"old.txt": edited(LINES, 2)})
    move(template)
    again = MOVE.replace("new.txt", "newest.txt").replace("old.txt", "new.txt")
    template.release("0.3.0", {"new.txt": None, "newest.txt": NEWER}, again)
    assert "newest.txt: was old.txt, with your edits" in project.update()
    assert project.text("newest.txt") == edited(NEWER, 2)
    assert not project.has("old.txt")
    assert not project.has("new.txt")


def test_a_later_update_knows_nothing_of_it(template: Template, tmp_path: Path) -> None:
    project = template.project(tmp_path / "project")
    project.owner({"old.txt": edited(LINES, 2)})
    move(template)
    project.update()
    project.owner({})
    template.release("0.3.0", {"new.txt": edited(NEWER, 10, who="newest")})
    project.update()
    assert project.text("new.txt") == edited(edited(NEWER, 2), 10, who="newest")
    assert not project.unmerged()
