"""The service that is watched through its dashboards, in tests and for pictures: a part of it fails on purpose."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests import client, rendering
from tests.journeys import pay, sign_in
from tests.project import Project, Service
from tests.shell import CommandError

FOLDER = "deploy/observability"
FENCE = re.compile(r"```yaml\n(global:.+?)```", re.DOTALL)
# API and worker in one job
TARGETS = {"api-1:8000", "worker-1:8001"}

# method, path, body and expected status
Request = tuple[str, str, Any, int]

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

# what a person does after each paid order
REQUESTS: tuple[Request, ...] = (
    ("GET", "orders", None, 200),
    ("GET", "users/me", None, 200),
    ("GET", "orders/0190b5a0-0000-7000-8000-000000000000", None, 404),
    ("POST", "orders", {"lines": []}, 422),
    ("POST", "trouble/conflict", None, 200),
    ("GET", "trouble/slow", None, 200),
    ("GET", "trouble/cached", None, 200),
)


def project_of(template: Path, root: Path) -> Project:
    """Set up a service with a feature that fails on purpose, and a schedule that is due every other second.

    Raises:
        CommandError: a step failed, or the sample's schedule is another one.
    """
    answers = {"project_name": "Tea House", "data_access": "dao", "task_queue": "arq"}
    rendering.commit(rendering.render(template, root, answers))
    trouble = root / "src/app/features/trouble"
    trouble.mkdir()
    (trouble / "__init__.py").touch()
    (trouble / "routes.py").write_text(TROUBLE)
    jobs = root / "src/app/jobs.py"
    before = jobs.read_text()
    if "timedelta(minutes=5)" not in before:
        raise CommandError(f"no schedule of five minutes\n{before}")
    jobs.write_text(before.replace("timedelta(minutes=5)", "timedelta(seconds=2)"))
    project = Project(root)
    project.setup()
    return project


def documented(root: Path, job: str, addresses: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of docs/metrics.md with another name, other addresses, and a second instead of 15.

    Raises:
        CommandError: the page says something else than expected.
    """
    (text,) = FENCE.findall((root / "docs/metrics.md").read_text())
    configuration: dict[str, Any] = yaml.safe_load(text)
    times = configuration["global"]
    (scraped,) = configuration["scrape_configs"]
    (static,) = scraped["static_configs"]
    if times.keys() != {"scrape_interval", "evaluation_interval"} or not set(static["targets"]) > TARGETS:
        raise CommandError(f"docs/metrics.md has another configuration than expected\n{text}")
    configuration["global"] = dict.fromkeys(times, "1s")
    scraped["job_name"], static["targets"] = job, list(addresses)
    return configuration


def addresses_of(service: Service) -> list[str]:
    """Return where the API and the worker show their metrics, as Prometheus writes addresses."""
    return [url.removeprefix("http://") for url in (service.url, service.worker_url)]


def use(service: Service, seconds: float, email: str = "ada@example.com") -> int:
    """Use the service for some seconds as one person, rightly and wrongly; return the number of orders that were paid.

    Raises:
        CommandError: it answered with another status than expected.
    """
    token = sign_in(service, email)
    _ask(service, token, [("GET", "trouble/broken", None, 500)])
    paid = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pay(service, token)
        paid += 1
        _ask(service, token, REQUESTS)
    return paid


def dashboards(root: Path) -> dict[str, dict[str, Any]]:
    """Return the dashboards of a service by the names of their files, without the suffix."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((root / FOLDER).glob("*.json"))}


def _ask(service: Service, token: str, requests: Sequence[Request]) -> None:
    for method, path, body, status in requests:
        answer = client.call(method, f"{service.url}/api/v1/{path}", body=body, token=token)
        if answer.status != status:
            raise CommandError(f"{method} {path}: {status} was expected, not {answer}")
