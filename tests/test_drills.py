"""The recipes of docs/features.md and of a few other pages, followed word for word on a few projects.

The steps build on each other, as those of tests/test_variants_run.py do, and stay in one process for the same reason.
"""

import re
import sys
from pathlib import Path

import pytest

from tests import client, owner, recipes
from tests.journeys import sign_in
from tests.life import Rendered, tool
from tests.project import IN_PROCESS, Project
from tests.rendering import commit, render
from tests.shell import environment, run
from tests.variants import ROOT, Variant, by_id, choices, few_variants

PAGE = "docs/features.md"
ADD = "Add a feature"
SMALLER = (
    "Add a settings group",
    "Add a resource",
    "Load something before the first request",
    "Call another service",
    "Add a route for administrators",
    "Add a command",
    "Add a middleware",
)
OTHER_PAGES = (
    ("docs/caching.md", "Cache a read"),
    ("docs/caching.md", "Answer 304"),
    ("docs/startup-resources.md", "A language model over HTTP"),
    ("docs/startup-resources.md", "A model in memory"),
)
HOT_READ = ("docs/tuning.md", "A read that is asked all the time")
OPENAPI = "import json, app.main; print(json.dumps(app.main.create_app().openapi()))"
SAMPLE_PAGE = "docs/removing-the-sample.md"
REMOVE = "Remove the sample"
NOTHING_TO_KEEP = "Its tables, when no database has to be kept"
DATABASE_TO_KEEP = "Its tables, when a database has to be kept"

JOBS_PAGE = "docs/jobs.md"
ADD_JOB = "Add a job"
ADDED_JOB_TESTS = "tests/features/reminders"

ADDED_TESTS = "tests/features/users tests/features/notes tests/features/assistant tests/api/test_notes.py"
AFFECTED_TESTS = "tests/api/test_openapi.py tests/test_migrations.py"

PLACES = ("src", "tests", "migrations", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md", "AGENTS.md")
# what `order` means besides something that is bought
SEQUENCE = re.compile(
    r"order_by|sort_by_parameter_order|\bORDER BY\b|"
    r"\b(the|The|its|this|certain|given|reverse) order\b|\ban order(,| and) a limit|\b_order\b"
)
NAME_OF_A_TEST = re.compile(r"\btest_\w+")
MENTION = re.compile(r"(?<![A-Za-z])([Oo]rders?(?![a-z])|ORDERS?)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only = metafunc.config.getoption("--variant")
    # both drivers, both styles, with a queue and without, and none that tests/test_variants_run.py works on
    chosen = [by_id(only)] if only else few_variants(1)[1:3]
    if metafunc.definition.get_closest_marker("with_jobs"):
        chosen = [each for each in chosen if each["task_queue"] != "none"]
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", chosen, ids=[each.id for each in chosen], scope="module")


@pytest.fixture(scope="module")
def project(variant: Variant, place: Path, template: Path) -> Project:
    return Project(render(template, place / "drills" / variant.id, dict(variant.answers)))


def check(project: Project, tests: str) -> None:
    """What must be green, and these tests of the suite."""
    project.make("lint", "types")
    project.make("test", "PYTEST_WORKERS=0", f"PYTEST_ARGS=--no-cov {tests}")


def test_both_styles_say_the_same() -> None:
    first, *others = (
        recipes.titles((ROOT / "variants/data_access" / style / PAGE).read_text()) for style in choices()["data_access"]
    )
    assert all(other == first for other in others)
    assert {ADD, *SMALLER} <= set(first)


def test_setup(project: Project) -> None:
    project.setup()
    commit(project.root)


def test_a_feature_is_added(project: Project) -> None:
    recipes.perform(project.root, PAGE, ADD)
    commit(project.root)
    check(project, f"tests/features/notes tests/api/test_notes.py {AFFECTED_TESTS}")


@pytest.mark.with_jobs
def test_a_job_is_added(project: Project) -> None:
    recipes.perform(project.root, JOBS_PAGE, ADD_JOB)
    commit(project.root)
    check(project, ADDED_JOB_TESTS)


def test_route_that_answers_by_itself_is_described_as_before(project: Project) -> None:
    """Also the token, which FastAPI no longer sees."""
    before = openapi(project)
    recipes.perform(project.root, *HOT_READ)
    commit(project.root)
    assert openapi(project) == before


def openapi(project: Project) -> str:
    """Return the document of the service, which opens no connection for it."""
    given = environment(DATABASE_URL="postgresql://nobody@localhost/nothing", AUTH_SECRET_KEY="s" * 32)
    printed = run("uv", "run", "--no-sync", "python", "-c", OPENAPI, cwd=project.root / "src", env=given)
    return printed.splitlines()[-1]


def test_smaller_things_are_added(project: Project) -> None:
    """Each has one place."""
    for page, title in (*((PAGE, title) for title in SMALLER), *OTHER_PAGES):
        recipes.perform(project.root, page, title)
        commit(project.root)
    check(project, f"{ADDED_TESTS} tests/test_commands.py")


def test_what_was_added_survives_a_switch_there_and_back(variant: Variant, project: Project) -> None:
    """All answers change at once, and change back: nothing conflicts, and everything is as it was."""
    before = owner.contents(project.root)
    for answers in (other_answers(variant), dict(variant.answers)):
        status, printed = tool(project.root, "switch", *(f"{name}={answer}" for name, answer in answers.items()))
        assert status == 0, printed
        assert not owner.unmerged(project.root)
        commit(project.root)
    assert owner.contents(project.root) == before


def other_answers(variant: Variant) -> dict[str, str]:
    """Return another answer to each question; jobs stay, if there are any, since the owner's need them."""
    stays = [] if variant["task_queue"] == "none" else ["none"]
    return {
        name: next(each for each in answers if each not in {variant[name], *(stays if name == "task_queue" else [])})
        for name, answers in choices().items()
    }


def test_the_sample_is_removed_from_a_database_that_is_kept(project: Project) -> None:
    recipes.perform(project.root, SAMPLE_PAGE, REMOVE, without=[NOTHING_TO_KEEP, DATABASE_TO_KEEP])
    commit(project.root)
    try:
        recipes.perform(project.root, SAMPLE_PAGE, DATABASE_TO_KEEP, text=page_about_the_sample(project))
        check(project, AFFECTED_TESTS)
    finally:
        # back to where the other way to do it begins; what git ignores stays, such as the migrated database
        for command in ("reset --quiet --hard", "clean --quiet --force -d"):
            run("git", *command.split(), cwd=project.root)


def page_about_the_sample(project: Project) -> str:
    """Return the page as it was before it removed itself."""
    return run("git", "show", f"HEAD~:{SAMPLE_PAGE}", cwd=project.root)


def test_the_sample_is_removed(project: Project) -> None:
    recipes.perform(project.root, SAMPLE_PAGE, NOTHING_TO_KEEP, text=page_about_the_sample(project))
    commit(project.root)


def test_nothing_of_the_sample_is_left(project: Project) -> None:
    listed = run("git", "ls-files", "-z", "--", *PLACES, cwd=project.root)
    paths = [name for name in listed.split("\0") if name]
    assert [path for path in paths if path.startswith("src/app/features/notes/")], paths
    left = {
        f"{path}:{number}": line
        for path in paths
        for number, line in enumerate((project.root / path).read_text().splitlines(), start=1)
        if MENTION.search(NAME_OF_A_TEST.sub("", SEQUENCE.sub("", line)))
    }
    assert not left


def test_the_feature_is_not_taken_for_the_sample(variant: Variant, project: Project, rendered: Rendered) -> None:
    """Updates follow what was renamed; but the one is no new name of the other."""
    known = {str(path.relative_to(rendered(variant))) for path in rendered(variant).rglob("*") if path.is_file()}
    gone = sorted(path for path in known if not (project.root / path).exists())
    script = (
        "import pathlib as p, sys, dev.template.project as d, dev.template.renames as r\n"
        "fates = r.trace(d.Project(p.Path.cwd()), sys.argv[1:])\n"
        "print(fates.renamed, sorted(fates.deleted) == sys.argv[1:])"
    )
    assert gone
    assert run(sys.executable, "-c", script, *gone, cwd=project.root) == "{} True\n"


def test_what_is_left_is_green(project: Project) -> None:
    project.make("lint", "types")
    printed = project.make("test", IN_PROCESS)
    assert re.search(r"^=+ \d+ passed(?!.*(skipped|failed)).*=+$", printed, re.MULTILINE), printed


def test_the_feature_is_served(project: Project) -> None:
    with project.serving() as service:
        sign_in(service)
        api = f"{service.url}/api/v1"
        form = {"username": "ada@example.com", "password": "correct horse battery staple"}
        token = client.call("POST", f"{api}/auth/token", form=form).json()["access_token"]
        kept = client.call("POST", f"{api}/notes", body={"text": "Water the plants"}, token=token)
        assert kept.status == 201, kept
        note = kept.json()
        assert client.call("GET", f"{api}/notes/{note['id']}", token=token).json() == note
        assert client.call("GET", f"{api}/notes", token=token).json()["items"] == [note]
        assert client.call("GET", f"{api}/orders", token=token).status == 404
    assert not service.left_behind()
