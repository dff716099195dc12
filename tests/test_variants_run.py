"""Each structural variant as its owner would use it: set up, checked, tested, and run.

The steps of one variant build on each other, so they stay in one process and in order (tests/conftest.py); two
variants are worked on at a time.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests import client
from tests.project import ONE_WORKER, Project, Service
from tests.variants import Variant, by_id, structural_variants

RunningProject = Callable[[Variant], Project]


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only = metafunc.config.getoption("--variant")
    chosen = [by_id(only)] if only else structural_variants()
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", chosen, ids=[each.id for each in chosen], scope="module")


@pytest.fixture
def project(variant: Variant, running_project: RunningProject) -> Project:
    return running_project(variant)


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


def test_own_suite(project: Project) -> None:
    printed = project.make("test", ONE_WORKER)
    closing = re.findall(r"^=+ (\d+) passed.*=+$", printed, re.MULTILINE)
    assert closing, f"no closing line that only passed\n{printed}"
    assert " skipped" not in printed.splitlines()[-1], printed


def test_serves_with_the_numbers_of_its_profile(variant: Variant, project: Project) -> None:
    with project.serving(LOG_JSON="true") as service:
        ready = client.call("GET", f"{service.url}/readyz").json()
        assert ready["checks"]["postgresql"]["status"] == "ok"
        assert sign_in(service)["email"] == "ada@example.com"
        (event,) = service.events("database_pool")
        profile = variant["pool_profile"]
        numbers: dict[str, int | str] = POOLS[profile].event() if profile in POOLS else {"pool": "external"}
        expected = {"profile": profile, **numbers}
        assert {name: event.get(name) for name in expected} == expected
        gauges = client.call("GET", f"{service.url}/metrics").text
        assert ("db_pool_connections{" in gauges) == (profile in POOLS)
        # the service is asked to stop, and everything above it reports a good end
        assert service.stop() == 0, service.log()
        assert not service.left_behind()


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
