"""A real Prometheus with the documented configuration scrapes a running service with jobs: each panel draws something.

The tests are steps with one service, which is healthy at first, fails then, and is gone at the end.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import client, rendering
from tests.journeys import pay, sign_in
from tests.project import START_SECONDS, Project, Service, wait_for
from tests.prometheus import ITSELF, Prometheus, replaced, scraping
from tests.receipts import receiving

# neither the default name of a service nor that of the page, and with a character that Grafana escapes
JOB = "tea-house.eu"
FOLDER = "deploy/observability"
FENCE = re.compile(r"```yaml\n(global:.+?)```", re.DOTALL)
# API and worker in one job
TARGETS = {"api-1:8000", "worker-1:8001"}

# how long the service is used, and how many requests of a failing route follow
SECONDS = 6.0
ERRORS = 20
# a machine that has other work to do may be slow
MAY_BE_SLOW = {"SlowRequests", "DatabaseCheckoutWait"}

# The queries without a line in a healthy service, by a part of them that no other query has.
NOTHING_TO_DRAW = {
    "(db_reads_total": "counted only where there are replicas",
    "(db_replica_lag_seconds": "no replica",
    "(db_replica_in_use": "no replica",
    "(db_replica_left_out_total": "no replica",
    "(cache_invalidations_total": "Redis always answers",
}

# a feature with what the sample does not do, or should not
TROUBLE = """
from fastapi import APIRouter
from sqlalchemy import text

from app.dependencies import ResourcesDep
from app.platform.db.retries import repeatable

router = APIRouter(prefix="/trouble")


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken on purpose")


@router.get("/slow")
async def slow(resources: ResourcesDep) -> None:
    async with resources.database.read() as session:
        await session.execute(text("SELECT pg_sleep(0.6)"))


@router.get("/cached")
async def cached(resources: ResourcesDep) -> int:
    async def load() -> int:
        return 7

    return await resources.caches.shared("numbers", int).get("seven", load=load)


@router.post("/conflict")
async def conflict(resources: ResourcesDep) -> None:
    tries = 0

    @repeatable
    async def work() -> None:
        nonlocal tries
        tries += 1
        async with resources.database.transaction() as session:
            if tries == 1:
                await session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"))

    await work()
"""


@dataclass(frozen=True)
class Watched:
    """A service in use, and the Prometheus that has scraped it since a moment (Unix time)."""

    root: Path
    service: Service
    prometheus: Prometheus
    since: float


@pytest.fixture(scope="module")
def watched(template: Path, place: Path) -> Iterator[Watched]:
    project = project_of(template, place / "prometheus" / "tea")
    folder = Path(shutil.copytree(project.root / FOLDER, place / "prometheus" / "server"))
    with (
        receiving() as (receiver, receipts),
        project.serving(PAYMENTS_WEBHOOK_URLS=receiver, CACHE_ENABLED="true") as service,
    ):
        since = time.time()
        with scraping(folder, documented(project.root, service)) as prometheus:
            assert wait_for(lambda: prometheus.up() == {JOB: 2, ITSELF: 1}, START_SECONDS), service.log()
            paid = use(service)
            assert wait_for(lambda: len(receipts) == paid, START_SECONDS), service.log()
            yield Watched(project.root, service, prometheus, since)


def project_of(template: Path, root: Path) -> Project:
    """Set up a service with a feature that fails on purpose, and a schedule that is due every other second."""
    answers = {"project_name": "Tea House", "data_access": "dao", "task_queue": "arq"}
    rendering.commit(rendering.render(template, root, answers))
    trouble = root / "src/app/features/trouble"
    trouble.mkdir()
    (trouble / "__init__.py").touch()
    (trouble / "routes.py").write_text(TROUBLE)
    jobs = root / "src/app/jobs.py"
    before = jobs.read_text()
    assert "timedelta(minutes=5)" in before
    jobs.write_text(before.replace("timedelta(minutes=5)", "timedelta(seconds=2)"))
    project = Project(root)
    project.setup()
    return project


def documented(root: Path, service: Service) -> dict[str, Any]:
    """Return the configuration of docs/metrics.md with other addresses, another name, and a second instead of 15."""
    (text,) = FENCE.findall((root / "docs/metrics.md").read_text())
    configuration: dict[str, Any] = yaml.safe_load(text)
    times = configuration["global"]
    assert times.keys() == {"scrape_interval", "evaluation_interval"}
    configuration["global"] = dict.fromkeys(times, "1s")
    (scraped,) = configuration["scrape_configs"]
    (static,) = scraped["static_configs"]
    assert set(static["targets"]) > TARGETS
    addresses = [url.removeprefix("http://") for url in (service.url, service.worker_url)]
    scraped["job_name"], static["targets"] = JOB, addresses
    return configuration


def use(service: Service) -> int:
    """Use the service for some seconds, rightly and wrongly; return the number of orders that were paid."""
    token = sign_in(service)
    assert client.call("GET", f"{service.url}/api/v1/trouble/broken").status == 500
    paid = 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        pay(service, token)
        paid += 1
        for method, path, body, status in (
            ("GET", "orders", None, 200),
            ("GET", "users/me", None, 200),
            ("GET", "orders/0190b5a0-0000-7000-8000-000000000000", None, 404),
            ("POST", "orders", {"lines": []}, 422),
            ("POST", "trouble/conflict", None, 200),
            ("GET", "trouble/slow", None, 200),
            ("GET", "trouble/cached", None, 200),
        ):
            assert client.call(method, f"{service.url}/api/v1/{path}", body=body, token=token).status == status, path
    return paid


def dashboards(root: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((root / FOLDER).glob("*.json"))]


def queries(root: Path) -> list[tuple[str, set[str]]]:
    """Return the queries of all panels, each with the labels that its legend names."""
    panels = [panel for dashboard in dashboards(root) for panel in dashboard["panels"]]
    targets = [target for panel in panels for target in panel.get("targets", ())]
    return [(each["expr"], set(re.findall(r"{{(\w+)}}", each["legendFormat"]))) for each in targets]


def pending(watched: Watched, label: str, **labels: str) -> set[str]:
    """Return the values of a label of the alerts that have these labels, and wait for their `for`."""
    alerts = [each["labels"] for each in watched.prometheus.alerts() if each["state"] == "pending"]
    return {each[label] for each in alerts if labels.items() <= each.items()}


def test_all_rules_are_evaluated(watched: Watched) -> None:
    files = [yaml.safe_load(path.read_text()) for path in (watched.root / FOLDER).glob("*.yaml")]
    written = sorted(rule["alert"] for file in files for group in file["groups"] for rule in group["rules"])
    evaluated = watched.prometheus.rules()
    assert sorted(rule["name"] for rule in evaluated) == written
    assert [rule for rule in evaluated if rule["health"] != "ok"] == []


def test_variables_offer_the_service(watched: Watched) -> None:
    variables = [each for dashboard in dashboards(watched.root) for each in dashboard["templating"]["list"]]
    definitions = [each["definition"] for each in variables if each["name"] == "job"]
    assert {definition: watched.prometheus.values_of(definition) for definition in definitions} == {
        "label_values(db_pool_size, job)": [JOB],
        "label_values(outbox_jobs, job)": [JOB],
    }


def test_panels_draw_the_service_and_nothing_else(watched: Watched) -> None:
    """Whether it is chosen alone or with another job, and without a line if only that one is."""
    asked = queries(watched.root)
    assert len(asked) > 40
    unknown, silent = [], []
    for query, legend in asked:
        by_jobs = [
            watched.prometheus.drawn(replaced(query, jobs), watched.since) for jobs in ([JOB], [JOB, ITSELF], [ITSELF])
        ]
        assert bool(by_jobs[0]) == bool(by_jobs[1]), query
        assert by_jobs[2] == [], query
        silent += [] if by_jobs[0] else [query]
        unknown += [query for labels in by_jobs[0] if not legend <= labels.keys()]
    assert unknown == []
    listed = [next((part for part in NOTHING_TO_DRAW if part in query), query) for query in silent]
    assert sorted(listed) == sorted(NOTHING_TO_DRAW)


def test_no_alert_in_a_healthy_service(watched: Watched) -> None:
    """Not even one that waits for its `for`, once a scrape that a busy machine made too late has been made up for."""

    def met() -> set[str]:
        return {each["labels"]["alertname"] for each in watched.prometheus.alerts()}

    assert wait_for(lambda: met() <= MAY_BE_SLOW, START_SECONDS), met()
    assert [each for each in watched.prometheus.alerts() if each["state"] != "pending"] == []


def test_errors_of_the_service_become_an_alert(watched: Watched) -> None:
    for _ in range(ERRORS):
        assert client.call("GET", f"{watched.service.url}/api/v1/trouble/broken").status == 500
    known = {"alertname": "ServerErrors", "job": JOB}
    assert wait_for(lambda: pending(watched, "severity", **known) == {"warning", "critical"}, START_SECONDS)


def test_a_service_that_is_gone_becomes_an_alert(watched: Watched) -> None:
    assert watched.service.stop() == 0, watched.service.log()
    gone = {url.removeprefix("http://") for url in (watched.service.url, watched.service.worker_url)}
    known = {"job": JOB, "severity": "critical"}
    assert wait_for(lambda: pending(watched, "instance", alertname="InstanceDown", **known) == gone, START_SECONDS)
    assert wait_for(lambda: pending(watched, "job", alertname="NoWorker", **known) == {JOB}, START_SECONDS)
