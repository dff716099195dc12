"""The command `pool-budget`: do the connections that the service may open fit the limits of the server?"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.platform import job_processes
from app.platform.db import address, budget_report, driver, pool, sizing
from app.platform.db.budget_arguments import Plan, read
from app.platform.db.budget_report import Need
from app.platform.db.limits import Limit, Usage, read_limits, read_usage
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable, StartupError
from app.platform.settings import DatabaseSettings, HttpSettings, load
from app.platform.tracebacks import message

# a job worker waits for new jobs on a connection outside of its pool (jobs/relay.py)
LISTENERS_OF_A_JOB_WORKER = 1


def pool_budget(**options: Any) -> None:
    """Compare all connections that the service may open with what the database server allows."""
    plan, given = read(options)
    settings = load(DatabaseSettings)
    workers = plan.workers or load(HttpSettings).workers
    usage, limits = asyncio.run(_ask(settings))
    if plan.others is not None:
        # the first is that of the server
        limits[0] = replace(limits[0], others=plan.others)
    _print(budget_report.limits(limits, usage))
    if given.known:
        _print(sizing.recommendation(given, plan.instances * workers))
    numbers = pool.numbers(settings)
    if numbers is None:
        _print(budget_report.at_the_pooler(limits, plan.migrations))
        return
    needs = list(_needs(plan, workers))
    _print(budget_report.needs(needs, numbers))
    lines, fits = budget_report.verdict(limits, needs, numbers)
    _print(lines)
    sys.exit(0 if fits else 1)


def _needs(plan: Plan, workers: int) -> Iterator[Need]:
    instances = plan.instances + plan.surge
    processes = instances * workers
    yield Need("HTTP: instances x workers", f"{instances} x {workers}", processes)
    yield Need("listeners of these", f"{processes} x {plan.listeners}", alone=processes * plan.listeners)
    yield _jobs(plan, job_processes.pools_of_a_worker())
    yield Need("listeners of these", f"{plan.job_workers}", alone=plan.job_workers * LISTENERS_OF_A_JOB_WORKER)
    pools, beside = processes + plan.job_workers * job_processes.pools_of_a_worker(), pool.BESIDE_THE_GATE
    yield Need("readiness, nested work", f"{pools} x {beside}", alone=pools * beside)
    yield Need("migrations", f"{plan.migrations}", alone=plan.migrations)
    yield Need("commands", f"{plan.commands}", alone=plan.commands)


def _jobs(plan: Plan, processes: int) -> Need:
    kind, terms, pools = "jobs: workers x processes", f"{plan.job_workers} x {processes}", plan.job_workers * processes
    if plan.job_pool is None:
        return Need(kind, terms, pools)
    return Need(kind, f"{terms} x {plan.job_pool}", alone=pools * plan.job_pool)


async def _ask(settings: DatabaseSettings) -> tuple[Usage, list[Limit]]:
    database = Database(settings)
    await database.init()
    try:
        usage = await read_usage(database)
        return usage, await read_limits(database, usage)
    except DatabaseUnavailable as error:
        reason = message(error.__cause__) if error.__cause__ else str(error)
        text = f"cannot connect to PostgreSQL at {address.redacted(driver.url(settings))}: {reason}"
        raise StartupError(text) from error
    finally:
        await database.close()


def _print(lines: Iterator[str] | list[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in (*lines, ""))
