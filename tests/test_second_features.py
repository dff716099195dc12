"""A second set of features that is not the sample: what the recipes of docs/recipes.md make, followed word for word.

Projects with members (many-to-many), invoices with money, an enum with a later member, days and moments, JSONB, a list
of ids, files, an event stream and a WebSocket that read the database, sorted pages and pages by offset. With a queue, a
job with such arguments. It is never rendered to owners: the pages are its only copy. The steps build on each other.
"""

import os
import re
import shutil
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from tests import client, life, owner, recipes
from tests.journeys import sign_in
from tests.life import Rendered, tool
from tests.project import IN_PROCESS, START_SECONDS, Project
from tests.releases import past_releases
from tests.rendering import commit
from tests.shell import run
from tests.test_drills import other_answers
from tests.variants import ROOT, Variant, by_id, few_variants

PAGE = "docs/recipes.md"
TEMPLATE_OF_PAGE = ROOT / "template" / f"{PAGE}.jinja"
SECTIONS = [
    part.text for part in recipes.parts(TEMPLATE_OF_PAGE.read_text()) if part.kind == "heading" and part.label == "##"
]
JOBS_PAGE = "docs/jobs.md"
JOBS = ("Add a job", "Pass ids, money, days and enums to a job")

TESTS = "tests/features/projects tests/api/test_openapi.py tests/test_migrations.py"
TESTS_OF_JOBS = "tests/features/reminders"
FEATURE = ("src/app/features/projects", "tests/features/projects", "migrations/service")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only = metafunc.config.getoption("--variant")
    # two that differ in driver and style; tests/test_drills.py follows the other recipes on others
    chosen = [by_id(only)] if only else list(few_variants(2)[1:3])
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", chosen, ids=[each.id for each in chosen], scope="module")


@pytest.fixture(scope="module")
def project(variant: Variant, place: Path, rendered: Rendered) -> Project:
    return Project(Path(shutil.copytree(rendered(variant), place / "second-features" / variant.id)))


def test_setup(project: Project) -> None:
    project.setup()
    commit(project.root)
    # on the server of this test run, because each `make migration` would start another one
    server, name = os.environ["TEST_DATABASE_URL"], f"second_{uuid4().hex}"
    create = (
        f"import asyncio as a, tests.support.databases as d; a.run(d.execute({server!r}, 'CREATE DATABASE {name}'))"
    )
    run("uv", "run", "--no-sync", "python", "-c", create, cwd=project.root)
    with (project.root / ".env").open("a") as settings:
        settings.write(f"\nDATABASE_URL={server.rpartition('/')[0]}/{name}\n")


def test_recipes_are_followed(variant: Variant, project: Project) -> None:
    """Up to another member of the enum; the suite migrates all of it down and up again, and looks for drift."""
    for title in SECTIONS:
        recipes.perform(project.root, PAGE, title)
    (last,) = (project.root / "migrations/service").glob("*_invoices_can_be_paid.py")
    assert last.read_text().count("create_check_constraint") == 2
    tests = TESTS
    if variant["task_queue"] != "none":
        tests += f" {TESTS_OF_JOBS}"
        for title in JOBS:
            recipes.perform(project.root, JOBS_PAGE, title)
    commit(project.root)
    project.make("lint", "types")
    printed = project.make("test", IN_PROCESS, f"PYTEST_ARGS=--no-cov {tests}")
    assert re.search(r"^=+ \d+ passed(?!.*(skipped|failed)).*=+$", printed, re.MULTILINE), printed


def test_requests_of_every_kind_are_answered_as_described(project: Project) -> None:
    """No 5xx, and every answer is one that the OpenAPI document describes."""
    project.make("fuzz", "EXAMPLES=5", "SEED=1")


def test_open_stream_ends_when_the_service_stops(project: Project) -> None:
    """Else uvicorn would wait for it as long as it waits for anything, and then cut it."""
    with project.serving(LOG_JSON="true") as service:
        token = sign_in(service)
        api = f"{service.url}/api/v1/projects"
        created = client.call("POST", api, body={"name": "Website"}, token=token)
        assert created.status == 201, created
        asked = Request(f"{api}/{created.json()['id']}/totals", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        with urlopen(asked, timeout=START_SECONDS) as stream:  # noqa: S310
            assert stream.readline() == b'data: {"count":0,"amount":"0"}\n'
            assert service.stop() == 0
            assert stream.read().strip() == b""
        assert "timeout graceful shutdown exceeded" not in service.log()
    assert not service.left_behind()


def test_all_answers_can_change_and_change_back(variant: Variant, project: Project) -> None:
    """In the other style the own queries lack their base class, and wait for their owner, but nothing is lost."""
    before = owner.contents(project.root)
    for answers in (other_answers(variant), dict(variant.answers)):
        status, printed = tool(project.root, "switch", *(f"{name}={answer}" for name, answer in answers.items()))
        assert status == 0, printed
        assert not owner.unmerged(project.root), printed
        commit(project.root)
    assert owner.contents(project.root) == before


def test_update_keeps_the_features(variant: Variant, project: Project, template: Path, tmp_path: Path) -> None:
    """A team of the last release had made the same by hand."""
    release = past_releases()[-1]
    updated = life.born(template, tmp_path / "service", release, variant)
    for path in FEATURE:
        shutil.copytree(project.root / path, updated / path, dirs_exist_ok=True)
    services = updated / "src/app/services.py"
    imported = "from app.features.users.service import UserService\n"
    text = services.read_text().replace(
        imported, f"from app.features.projects.service import ProjectService\n{imported}"
    )
    services.write_text(f"{text}        self.projects = ProjectService(resources.database)\n")
    commit(updated)
    before = {path: text for path, text in owner.contents(updated).items() if path.startswith(FEATURE)}
    life.update(updated, "--trust")
    assert not owner.unmerged(updated)
    assert {path: owner.contents(updated)[path] for path in before} == before
    assert "self.projects = ProjectService(resources.database)" in services.read_text()
