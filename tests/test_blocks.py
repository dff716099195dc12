"""Lines that a release moves to another file, through Copier's command line: edits move with their lines only."""

from dataclasses import dataclass

import pytest

from tests.simulated import LINES, Content, Project, Template, edited

BLOCK = "# limits\n" + "".join(f"limit {number}\n" for number in range(1, 11)) + "# end of limits\n"
SECOND = "# hosts\n" + "".join(f"host {number}\n" for number in range(1, 6))
SOURCE = LINES.replace("line 10\n", f"line 10\n{BLOCK}")
TWO = SOURCE.replace("line 15\n", f"line 15\n{SECOND}")
TARGET = "".join(f"other {number}\n" for number in range(1, 11))
# the new version has changes too: one in each file, and one in the block
NEW_SOURCE = edited(LINES, 20, who="newer")
NEW_BLOCK = BLOCK.replace("limit 8\n", "limit 8, newer\n")
NEW_TARGET = TARGET.replace("other 2\n", "other 2, newer\n").replace("other 5\n", f"other 5\n{NEW_BLOCK}")

# one pair of files for each situation
PAIRS = ("edited", "untouched", "conflict", "existing", "absent", "twice", "own", "deleted", "nowhere", "moved")
WITH_TARGET = ("existing", "deleted")
STEPS = f"""
    from hooks.blocks import move_block
    from hooks.files import move

    def after(update):
        move(update, "moved/source", "moved/elsewhere")
        for name in {PAIRS[:-1]}:
            move_block(update, f"{{name}}/source", f"{{name}}/target", "^# limits$", "^# end of limits")
        move_block(update, "moved/elsewhere", "moved/target", "^# limits$", "^# end of limits")
        move_block(update, "edited/source", "edited/target", "^# hosts$", "^host 5")
        move_block(update, "missing/source", "edited/target", "^# limits$", "^# end of limits")
        move_block(update, "edited/source", "edited/target", "^no such line$", "^line")
"""


@dataclass
class Updated:
    project: Project
    said: str


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Updated:
    place = tmp_path_factory.mktemp("blocks")
    template = Template(place / "template")
    targets: dict[str, Content] = {f"{name}/target": TARGET for name in WITH_TARGET}
    template.release("0.1.0", {**{f"{name}/source": SOURCE for name in PAIRS}, "edited/source": TWO, **targets})
    project = template.project(place / "project")
    project.owner(_mine())
    sources: dict[str, Content] = {f"{name}/source": NEW_SOURCE for name in PAIRS[:-1]}
    moved: dict[str, Content] = {"moved/source": None, "moved/elsewhere": NEW_SOURCE}
    there: dict[str, Content] = {f"{name}/target": NEW_TARGET for name in PAIRS if name != "nowhere"}
    there["edited/target"] = NEW_TARGET + SECOND
    template.release("0.2.0", {**sources, **moved, **there}, STEPS)
    return Updated(project, project.update())


def _mine() -> dict[str, Content]:
    both = edited(SOURCE, 2).replace("limit 3\n", "limit 3, mine\n")
    return {
        **{f"{name}/source": both for name in ("existing", "own", "deleted", "nowhere", "moved")},
        "edited/source": edited(TWO, 2).replace("limit 3\n", "limit 3, mine\n").replace("host 3\n", "host 3, mine\n"),
        "conflict/source": edited(SOURCE, 2).replace("limit 8\n", "limit 8, mine\n"),
        "existing/target": "mine\n" * 3 + TARGET.replace("other 10\n", "other 10, mine\n"),
        "absent/source": edited(SOURCE, 2).replace("# limits\n", "# my limits\n"),
        "twice/source": f"# limits\n{edited(SOURCE, 2)}",
        "own/target": "something else\n",
        "deleted/target": None,
    }


def test_edits_in_the_block_arrive_and_all_others_stay(updated: Updated) -> None:
    """Two blocks move to the same file."""
    expected = (NEW_TARGET + SECOND).replace("limit 3\n", "limit 3, mine\n").replace("host 3\n", "host 3, mine\n")
    assert updated.project.text("edited/target") == expected
    assert updated.project.text("edited/source") == edited(NEW_SOURCE, 2)
    assert "edited/target: has your edits of what was in edited/source" in updated.said


def test_a_block_can_leave_a_file_that_moved_itself(updated: Updated) -> None:
    assert updated.project.text("moved/target") == NEW_TARGET.replace("limit 3\n", "limit 3, mine\n")
    assert updated.project.text("moved/elsewhere") == edited(NEW_SOURCE, 2)


def test_what_nobody_edited_is_as_rendered(updated: Updated) -> None:
    assert updated.project.text("untouched/source") == NEW_SOURCE
    assert updated.project.text("untouched/target") == NEW_TARGET
    assert "untouched" not in updated.said


def test_a_target_that_was_there_keeps_its_own_edits(updated: Updated) -> None:
    expected = "mine\n" * 3 + NEW_TARGET.replace("limit 3\n", "limit 3, mine\n").replace(
        "other 10\n", "other 10, mine\n"
    )
    assert updated.project.text("existing/target") == expected
    assert updated.project.text("existing/source") == edited(NEW_SOURCE, 2)


def test_a_conflict_is_in_the_target_only(updated: Updated) -> None:
    """Copier itself leaves a conflict in the source, which the migration clears."""
    assert updated.project.text("conflict/source") == edited(NEW_SOURCE, 2)
    text = updated.project.text("conflict/target")
    assert "<<<<<<< before updating\nlimit 8, mine\n=======\nlimit 8, newer\n>>>>>>> after updating\n" in text
    assert updated.project.stage(3, "conflict/target") == NEW_TARGET
    assert {path for path in updated.project.unmerged() if path.startswith("conflict")} == {"conflict/target"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "their first line is not in your absent/source"),
        ("twice", "twice/source has 2 lines that fit '^# limits$'"),
        ("own", "own/target is a file of your own"),
        ("deleted", "you deleted deleted/target"),
        ("nowhere", "the new version does not have them there"),
    ],
)
def test_where_the_block_cannot_move_nothing_is_lost(name: str, reason: str, updated: Updated) -> None:
    said = f"{name}/source: your edits of what is now in {name}/target stay where they are, since {reason}"
    assert said in updated.said
    text = updated.project.text(f"{name}/source")
    assert "line 2, mine\n" in text
    assert {"absent": "# my limits\n", "twice": "# limits\nline 1\n"}.get(name, "limit 3, mine\n") in text


def test_the_owners_own_target_is_a_conflict_and_a_deleted_one_stays_deleted(updated: Updated) -> None:
    assert updated.project.stage(2, "own/target") == "something else\n"
    assert not updated.project.has("deleted/target")
