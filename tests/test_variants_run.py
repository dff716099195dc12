"""Each structural variant as its owner would use it, fresh and after some work: set up, checked, tested, and run.

The steps with one project build on each other, so they stay in one process and in order (tests/conftest.py); two
projects are worked on at a time.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import client, future, life, owner
from tests.project import ONE_WORKER, WITHOUT_DEV, Project, Service
from tests.shell import CommandError, run
from tests.variants import Variant, by_id, plain_variants, structural_variants

RunningProject = Callable[[Variant, bool], Project]


@dataclass(frozen=True)
class Pool:
    """The numbers of a profile as features.md promises them (D3), on purpose not read from the template."""

    size: int
    overflow: int
    recycle: int

    def event(self) -> dict[str, int | str]:
        return {
            "size": self.size,
            "overflow": self.overflow,
            "recycle": self.recycle,
            "total": self.size + self.overflow,
        }


POOLS = {
    "small": Pool(5, 5, 3600),
    "medium": Pool(20, 10, 1800),
    "high": Pool(50, 20, 900),
}


@dataclass(frozen=True)
class Case:
    """A variant, `fresh` from the template, or `worked-on` by an owner."""

    variant: Variant
    kind: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        chosen = [each for each in cases(metafunc.config.getoption("--variant")) if not only or each.kind in only.args]
        metafunc.parametrize("case", chosen, ids=[f"{each.kind}-{each.variant.id}" for each in chosen], scope="module")


def cases(only: str | None) -> list[Case]:
    """Fresh ones with all answers spread over them, and worked-on ones with the default answers; or just one."""
    if only:
        return [Case(by_id(only), "fresh"), Case(by_id(only), "worked-on")]
    fresh = [Case(each, "fresh") for each in structural_variants()]
    return fresh + [Case(each, "worked-on") for each in plain_variants()]


@pytest.fixture
def project(case: Case, running_project: RunningProject) -> Project:
    return running_project(case.variant, case.kind == "worked-on")


def test_setup(project: Project) -> None:
    project.make("setup")
    assert (project.root / ".git").is_dir()
    assert (project.root / "uv.lock").is_file()
    secrets = re.findall(r"^AUTH_SECRET_KEY=(.+)$", (project.root / ".env").read_text(), re.MULTILINE)
    assert len(secrets) == 1
    assert len(secrets[0]) >= 32


def test_setup_again_changes_nothing(project: Project) -> None:
    before = {name: (project.root / name).read_bytes() for name in (".env", "uv.lock", ".git/hooks/pre-commit")}
    project.make("setup")
    assert {name: (project.root / name).read_bytes() for name in before} == before


def test_lint(project: Project) -> None:
    project.make("lint")


def test_types(project: Project) -> None:
    project.make("types")


def test_no_drift(project: Project) -> None:
    project.make("drift")


def test_drift_is_found(project: Project) -> None:
    models = project.root / "src/app/users/models.py"
    column = "    nickname: Mapped[str]\n    full_name:"
    with edited(models, "    full_name:", column), pytest.raises(CommandError, match="nickname"):
        project.make("drift")


def test_conflicts(project: Project) -> None:
    project.make("conflicts")
    readme = project.root / "README.md"
    marked = "\n<<<<<<< before updating\n## "
    with edited(readme, "\n## ", marked), pytest.raises(CommandError, match=r"README\.md:\d+:<<<<<<< before"):
        project.make("conflicts")
    rejected = project.root / "README.md.rej"
    rejected.write_text("a hunk\n")
    with pytest.raises(CommandError, match=r"README\.md\.rej"):
        project.make("conflicts")
    rejected.unlink()


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(before)


def test_own_suite(case: Case, project: Project) -> None:
    printed = project.make("test", ONE_WORKER, *([] if case.kind == "fresh" else [f"{WITHOUT_DEV} --no-cov"]))
    closing = re.findall(r"^=+ (\d+) passed.*=+$", printed, re.MULTILINE)
    assert closing, f"no closing line that only passed\n{printed}"
    assert " skipped" not in printed.splitlines()[-1], printed


@pytest.mark.only("fresh")
def test_serves_with_the_numbers_of_its_profile(case: Case, project: Project) -> None:
    with project.serving(LOG_JSON="true") as service:
        ready = client.call("GET", f"{service.url}/readyz").json()
        assert ready["checks"]["postgresql"]["status"] == "ok"
        assert sign_in(service)["email"] == "ada@example.com"
        (event,) = service.events("database_pool")
        profile = case.variant["pool_profile"]
        numbers: dict[str, int | str] = POOLS[profile].event() if profile in POOLS else {"pool": "external"}
        expected = {"profile": profile, **numbers}
        assert {name: event.get(name) for name in expected} == expected
        gauges = client.call("GET", f"{service.url}/metrics").text
        assert ("db_pool_connections{" in gauges) == (profile in POOLS)
        # the service is asked to stop, and everything above it reports a good end
        assert service.stop() == 0, service.log()
        assert not service.left_behind()


@pytest.mark.only("worked-on")
def test_a_release_may_extend_the_tables_of_the_template(
    case: Case, project: Project, template: Path, place: Path
) -> None:
    """On a database with revisions of the owner's own: no merge revision, and no second head on the owner's branch."""
    project.make("migrate")
    future.move_to(project.root, future.release(template, place / "future" / case.variant.id, future.platform_revision))
    life.update(project.root)
    assert not owner.lost(project.root)
    project.make("migrate")
    heads = {"owner_0003 (service) (head)", f"{future.REVISION} (platform) (head)"}
    assert set(alembic(project, "heads").splitlines()) == heads
    assert {line.split()[0] for line in alembic(project, "current").splitlines()} == {"owner_0003", future.REVISION}
    alembic(project, "check")


def alembic(project: Project, command: str) -> str:
    """What Alembic says about the project's own database, without its log."""
    uv = ("uv", "run", "--no-sync")
    printed = run(*uv, "python", "-m", "dev.services", "run", "--", *uv, "alembic", command, cwd=project.root)
    return "\n".join(line for line in printed.splitlines() if "(" in line)


def sign_in(service: Service) -> dict[str, str]:
    """Register, sign in, and return who the service says we are."""
    api = f"{service.url}/api/v1"
    person = {"email": "ada@example.com", "password": "correct horse battery staple"}
    created = client.call("POST", f"{api}/users", body=person)
    assert created.status == 201, created
    form = {"username": person["email"], "password": person["password"]}
    signed_in = client.call("POST", f"{api}/auth/token", form=form)
    assert signed_in.status == 200, signed_in
    me = client.call("GET", f"{api}/users/me", token=signed_in.json()["access_token"])
    assert me.status == 200, me
    known: dict[str, str] = json.loads(me.text)
    return known
