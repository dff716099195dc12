"""Migrations of a release, through Copier's command line: answers, errors, and a move in the real template."""

from pathlib import Path

import pytest
import yaml

from tests import future
from tests.releases import release_all
from tests.rendering import commit, copier, fingerprint, render, snapshot
from tests.shell import run
from tests.simulated import LINES, Project, Template, edited, entry, put, versions

# answers


def question(default: str, *choices: str) -> dict[str, object]:
    return {"type": "str", "default": default, "choices": list(choices)}


ANSWERED = {
    "pool": question("small", "small", "large"),
    "queue": question("arq", "arq", "rq", "celery"),
    "style": question("dao", "dao", "repo"),
}
# each answer other than a default needs a step
ASKED_NOW = {
    "pool": None,
    "pool_profile": question("small", "small", "large"),
    "queue": question("arq", "arq", "celery"),
    "style": question("dao", "dao", "repository"),
}
STEPS = """
    from hooks.answers import drop_choice, rename_choice, rename_question

    def before(update):
        rename_question(update, "pool", "pool_profile")
        rename_choice(update, "style", "repo", "repository")
        drop_choice(update, "queue", "rq", instead="celery")
"""


@pytest.fixture
def answered(tmp_path: Path) -> tuple[Template, Project]:
    template = Template(tmp_path / "template")
    template.release("0.1.0", {"queue.txt.jinja": "{{ queue }}\n", "big.txt": LINES}, manifest=ANSWERED)
    chosen = ("--data=pool=large", "--data=queue=rq", "--data=style=repo")
    return template, template.project(tmp_path / "project", *chosen)


def ask_anew(template: Template, migration: str) -> None:
    template.manifest.pop("pool")
    asked = {name: details for name, details in ASKED_NOW.items() if details}
    template.release("0.2.0", {}, migration, asked)


def answers(project: Project) -> dict[str, str]:
    loaded = yaml.safe_load(project.text(project.answers))
    return {name: answer for name, answer in loaded.items() if not name.startswith("_")}


def test_without_a_migration_answers_fall_back_to_defaults(answered: tuple[Template, Project]) -> None:
    template, project = answered
    ask_anew(template, migration="")
    project.update()
    assert answers(project) == {"pool_profile": "small", "queue": "arq", "style": "dao"}


@pytest.mark.parametrize("options", [(), ("--skip-answered",)])
def test_answers_are_kept_or_the_owner_is_told(options: tuple[str, ...], answered: tuple[Template, Project]) -> None:
    template, project = answered
    ask_anew(template, STEPS)
    said = project.update(*options)
    assert answers(project) == {"pool_profile": "large", "queue": "celery", "style": "repository"}
    assert project.text("queue.txt") == "celery\n"
    assert "queue: rq is no longer offered, the project now has celery" in said
    assert not project.unmerged()


def test_files_move_under_a_renamed_question(answered: tuple[Template, Project]) -> None:
    """The old version is rendered with the old answers, the new version with the new answers."""
    template, project = answered
    project.owner({"big.txt": edited(LINES, 2)})
    put(template.root / "template", {"big.txt": None, "large.txt": LINES})
    template.manifest["_exclude"] = ["{% if pool_profile != 'large' %}large.txt{% endif %}"]
    moves = 'from hooks.files import move\n\ndef after(update):\n    move(update, "big.txt", "large.txt")\n'
    ask_anew(template, moves + STEPS.replace("\n    ", "\n"))
    project.update()
    assert project.text("large.txt") == edited(LINES, 2)
    assert not project.has("big.txt")


# errors: one line, an exit status, and no changes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "STAGE is not set; this is run by copier update"),
        ({"STAGE": "during"}, "STAGE is 'during'; there are before and after"),
        ({"STAGE": "after"}, "VERSION_CURRENT is not set"),
        ({"STAGE": "after", **versions("v0.1.0", "vnext")}, "VERSION_CURRENT is no version: 'next'"),
        ({"STAGE": "after", **versions("v0.1.0", "v0.3.0")}, "there is no hooks/migrations/v0_3_0.py for 0.3.0"),
        (
            {"STAGE": "after", **versions("v0.2.0", "v0.2.0")},
            "there is no hooks/migrations/v0_2_0.py for 0.2.0 between",
        ),
        ({"STAGE": "after", **versions("v0.0.1", "v0.2.0")}, "version v0.0.1 cannot be rendered with the project's"),
        (
            {"STAGE": "after", **versions("v0.1.0", "v0.2.0")},
            "old.txt cannot move to new.txt: the last update had both",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(given: dict[str, str], message: str, project_of_both: Project) -> None:
    before = project_of_both.state()
    status, said = project_of_both.hook(**given)
    assert status == 1
    assert said.startswith(f"Migration failed, the update is incomplete: {message}")
    assert said.count("\n") == 1
    assert project_of_both.state() == before


@pytest.fixture(scope="module")
def project_of_both(tmp_path_factory: pytest.TempPathFactory) -> Project:
    place = tmp_path_factory.mktemp("errors")
    template = Template(place / "template")
    template.release("0.1.0", {"old.txt": LINES, "new.txt": LINES})
    project = template.project(place / "project")
    step = 'from hooks.files import move\n\ndef after(update):\n    move(update, "old.txt", "new.txt")\n'
    template.release("0.2.0", {"old.txt": None}, step)
    return project


def test_copier_stops_when_a_migration_does(project_of_both: Project) -> None:
    status, said = copier("update", "--trust", "--defaults", cwd=project_of_both.root)
    assert status == 1
    assert "old.txt cannot move to new.txt: the last update had both" in said


# the real template

RENAME = '''"""http/health.py is http/operations.py."""

from hooks.files import move
from hooks.update import Update


def after(update: Update) -> None:
    move(update, "src/app/platform/http/health.py", "src/app/platform/http/operations.py")
'''
EDIT = ('{"status": "alive"}', '{"status": "alive"}  # mine')


def rename_health(template: Path) -> None:
    """Make release 98.9.1, which renames a file and changes its import in another file."""
    http = template / "template/src/app/platform/http"
    (http / "health.py").rename(http / "operations.py")
    application = http / "application.py"
    text = application.read_text().replace(
        "import handlers, health, openapi\n", "import handlers, openapi, operations\n"
    )
    application.write_text(text.replace("health.router", "operations.router"))
    put(template / "hooks/migrations", {"v98_9_1.py": RENAME})
    future.add_migration(template, entry("98.9.1"))
    release_all(template, "98.9.1")


def test_a_file_of_the_real_template_moves(tmp_path: Path) -> None:
    template = snapshot(tmp_path / "template")
    run("git", "tag", "v98.9.0", cwd=template)
    project = Project(render(template, tmp_path / "project", {}), template)
    commit(project.root)
    old, new = (f"src/app/platform/http/{name}.py" for name in ("health", "operations"))
    project.owner({old: project.text(old).replace(*EDIT)})
    rename_health(template)
    project.update()
    fresh = render(template, tmp_path / "fresh", {})
    assert project.text(new).replace(EDIT[1], EDIT[0]) == (fresh / new).read_text()
    assert EDIT[1] in project.text(new)
    assert not project.has(old)
    assert not project.unmerged()
    # all other files are as freshly rendered
    state = {path: what for path, what in project.state().items() if path not in {"index", new}}
    assert state == {path: what for path, what in fingerprint(fresh).items() if path != new}
