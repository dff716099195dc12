"""Each structural variant as its owner would use it, fresh and after some work: set up, checked, tested, and run.

The steps with one project build on each other, so they stay in one process and in order (tests/conftest.py);
several projects are worked on at a time.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import client, future, life, owner
from tests.cases import SUITE, Case, arguments, cases, parts, runs
from tests.image import Image
from tests.image_checks import assert_lean, database
from tests.journeys import answers, job_events, me, pay, sign_in
from tests.life import Rendered
from tests.pools import POOLS
from tests.project import IN_PROCESS, START_SECONDS, Project, Service, free_port, wait_for
from tests.receipts import Received, receiving
from tests.shell import CommandError, run
from tests.variants import Variant
from tests.wheel import migrations_inside

RunningProject = Callable[[Variant, bool], Project]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        chosen = [
            each for each in cases(metafunc.config.getoption("--variant")) if not only or each.traits() & set(only.args)
        ]
        metafunc.parametrize("case", chosen, ids=[f"{each.kind}-{each.variant.id}" for each in chosen], scope="module")


@pytest.fixture
def project(case: Case, running_project: RunningProject) -> Project:
    return running_project(case.variant, case.kind == "worked-on")


def test_setup(project: Project) -> None:
    project.setup()
    assert (project.root / ".git").is_dir()
    assert (project.root / "uv.lock").is_file()
    secrets = re.findall(r"^AUTH_SECRET_KEY=(.+)$", (project.root / ".env").read_text(), re.MULTILINE)
    assert len(secrets) == 1
    assert len(secrets[0]) >= 32


@pytest.mark.only("worked-on")
def test_setup_again_changes_nothing(project: Project) -> None:
    before = {name: (project.root / name).read_bytes() for name in (".env", "uv.lock", ".git/hooks/pre-commit")}
    project.make("setup")
    assert {name: (project.root / name).read_bytes() for name in before} == before


def test_lint(project: Project) -> None:
    project.make("lint")


def test_types(project: Project) -> None:
    project.make("types")


@pytest.mark.only("whole", "worked-on")
def test_no_drift(project: Project) -> None:
    """In the others their own suite finds it (template/tests/test_migrations.py)."""
    project.make("drift")


@pytest.mark.only("worked-on")
def test_drift_is_found(project: Project) -> None:
    models = project.root / "src/app/features/users/models.py"
    column = "    nickname: Mapped[str]\n    full_name:"
    with edited(models, "    full_name:", column), pytest.raises(CommandError, match="nickname"):
        project.make("drift")


@pytest.mark.only("worked-on")
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
    """With the floor of its coverage where it counts, because counting is half of the time."""
    assert_only_passed(project.make("test", IN_PROCESS, f"PYTEST_ARGS={'' if case.counted else '--no-cov'}"))


@pytest.mark.only("fresh")
def test_platform_suite(case: Case, project: Project, rendered: Rendered) -> None:
    """The suite of the platform, laid over the service: the parts that have new bytes there."""
    for chosen, counted in runs(case, parts(case, rendered)):
        options = f"--cov=app.platform --cov-config={SUITE}/coverage.ini" if counted else "--no-cov"
        asked = " ".join(arguments(chosen))
        printed = project.make("platform-test", IN_PROCESS, f"PLATFORM_TESTS={asked}", f"PYTEST_ARGS={options}")
        assert_only_passed(printed)
        assert not (project.root / SUITE).exists()


@pytest.mark.only("whole with jobs")
def test_platform_suite_is_linted_and_typed(project: Project) -> None:
    """With the service's own configuration, as the service is."""
    run(sys.executable, "-m", "dev.template", "suite", cwd=project.root)
    ruff = ("uv", "run", "--no-sync", "ruff")
    try:
        for command in (("check",), ("format", "--check")):
            # git ignores the suite, and so would ruff
            run(*ruff, *command, "--no-respect-gitignore", SUITE, cwd=project.root)
        project.make("types")
    finally:
        shutil.rmtree(project.root / SUITE)


def assert_only_passed(printed: str) -> None:
    closing = re.findall(r"^=+ \d+ passed.*=+$", printed, re.MULTILINE)
    assert closing, f"no closing line that only passed\n{printed}"
    assert " skipped" not in closing[-1], printed


@pytest.mark.only("whole")
def test_wheel_has_the_migrations(project: Project, tmp_path: Path) -> None:
    files = (path for path in (project.root / "migrations").rglob("*") if path.is_file() and path.suffix != ".pyc")
    expected = {"alembic.ini", *(str(path.relative_to(project.root)) for path in files)}
    assert migrations_inside(project.root, tmp_path) == expected


@pytest.mark.only("whole with jobs")
def test_image_migrates_and_serves_without_rights(case: Case, project: Project, place: Path) -> None:
    """Built by the steps of the Dockerfile; with the wheel in it, it starts from anywhere and writes nothing."""
    image = Image(project.root, place / "images" / case.variant.id)
    assert_lean(image)
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with database(project.root) as name, image.unprivileged() as container:
        given = {
            "DATABASE_URL": name,
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "AUTH_SECRET_KEY": "s" * 32,
            "HTTP_PORT": port,
            "HTTP_DRAIN_SECONDS": "0",
            "TASKS_METRICS_PORT": port,
            # the server has other services of the same name
            "TASKS_QUEUE": f"image-{case.variant.id}",
        }
        assert "Running upgrade" in container.command("migrate", given)
        check = image.arguments["HEALTHCHECK"]
        with container.serving(image.arguments["CMD"], given, url):
            assert container.run(check, given) == (0, f"/livez on port {port}: 200\n")
        assert container.run(check, given)[0] == 1
        with container.serving(["worker"], given, url):
            assert container.run([*check[:-1], "/readyz", port], given)[0] == 0


@pytest.mark.only("fresh")
def test_serves_and_does_jobs(case: Case, project: Project) -> None:
    """With nothing installed: the broker comes along, the worker is started, the receipt arrives, all end together."""
    traits = case.traits()
    with receiving() as (receiver, receipts):
        given = {"PAYMENTS_WEBHOOK_URLS": receiver} if "fresh with receipts" in traits else {}
        with project.serving(START_SECONDS, LOG_JSON="true", **given) as service:
            if "fresh with jobs" in traits:
                assert wait_for(lambda: answers(f"{service.worker_url}/readyz"), START_SECONDS), service.log()
            ready = client.call("GET", f"{service.url}/readyz").json()
            assert ready["checks"]["postgresql"]["status"] == "ok"
            assert me(service, sign_in(service))["email"] == "ada@example.com"
            assert_pools_of_profile(service, case)
            if given:
                assert_job_is_done(service, receipts)
            # the service is asked to stop, and everything above it reports a good end
            assert service.stop() == 0, service.log()
            assert bool(service.events("worker_stopped")) == ("fresh with jobs" in traits)
            assert not service.left_behind()
    assert len(receipts) == len(given)


def assert_pools_of_profile(service: Service, case: Case) -> None:
    """Check the log's events about pools, and the gauge of their size."""
    events = service.events("database_pool")
    profile = case.variant["pool_profile"]
    numbers: dict[str, int | str] = POOLS[profile].event() if profile in POOLS else {"pool": "external"}
    expected = {"profile": profile, **numbers}
    # of the API, and with a queue of its worker as well
    assert len(events) >= (1 if case.variant["task_queue"] == "none" else 2)
    assert all({name: event.get(name) for name in expected} == expected for event in events)
    gauges = client.call("GET", f"{service.url}/metrics").text
    assert f"db_pool_size {float(numbers.get('size', 0))}" in gauges.splitlines()


def assert_job_is_done(service: Service, receipts: list[Received]) -> None:
    """Pay an order, and check the receipt, and what the log and the metrics say of its job."""
    order_id, request_id = pay(service, sign_in(service, "grace@example.com"))
    assert wait_for(lambda: bool(receipts), START_SECONDS), service.log()
    body, headers = receipts[0]
    assert (body["order_id"], body["total_cents"]) == (order_id, 998)
    assert headers["Idempotency-Key"] == f"receipt-{order_id}"
    assert headers["X-Request-ID"] == request_id
    assert wait_for(lambda: job_events(service) != [], 10), service.log()
    (done,) = job_events(service)
    assert (done["outcome"], done["request_id"]) == ("done", request_id)
    assert {"request", "worker_started"} <= {event["event"] for event in service.all_events()}
    metrics = client.call("GET", f"{service.worker_url}/metrics").text
    assert 'job_duration_seconds_count{job="deliver_receipt",outcome="done"} 1.0' in metrics


@pytest.mark.only("worked-on on asyncpg")
def test_a_release_may_extend_the_tables_of_the_template(
    case: Case, project: Project, template: Path, place: Path
) -> None:
    """On a database with revisions of the owner's own: no merge revision, and no second head on the owner's branch.

    With and without jobs, in both styles; of the driver, migrations need no more than any statement.
    """
    project.make("migrate")
    future.move_to(project.root, future.release(template, place / "future" / case.variant.id, future.platform_revision))
    life.update(project.root)
    assert not owner.lost(project.root)
    project.make("migrate")
    heads = {"owner_0003 (service) (head)", f"{future.REVISION} (platform) (head)"}
    if case.variant["task_queue"] != "none":
        heads.add("jobs_0001 (jobs) (head)")
    known, current, _ = project.alembic("heads", "current", "check")
    assert set(known.splitlines()) == heads
    assert {line.split()[0] for line in current.splitlines()} == {head.split()[0] for head in heads}
