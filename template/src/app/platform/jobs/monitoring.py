"""Serves a worker's `/livez`, `/readyz` and `/metrics` to orchestrators and Prometheus, on a port of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform import ports
from app.platform.db.session import Database
from app.platform.jobs import metrics
from app.platform.jobs.broker import QueueStatus
from app.platform.jobs.models import DeadLetter, JobSchedule, JobState, OutboxMessage
from app.platform.jobs.registry import Schedule
from app.platform.metrics import render
from app.platform.resources import Check
from app.platform.settings import JobSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0


class Monitoring:
    """Answers for one worker. Of checks with the same name the last one counts; `stopping` is set at shutdown."""

    def __init__(
        self,
        database: Database,
        broker: QueueStatus,
        checks: Iterable[Check],
        stopping: asyncio.Event,
        schedules: Sequence[Schedule] = (),
    ) -> None:
        self._database = database
        self._broker = broker
        self._checks = {check.name: check for check in checks}
        self._stopping = stopping
        self._schedules = schedules

    @asynccontextmanager
    async def serving(self, settings: JobSettings) -> AsyncIterator[None]:
        """Listen on the configured port.

        Raises:
            StartupError: it cannot listen on `TASKS_METRICS_HOST` and `TASKS_METRICS_PORT`.
        """
        app = web.Application()
        app.add_routes(
            [web.get("/livez", _livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CHECK_SECONDS)
        await runner.setup()
        try:
            await _listen(runner, settings)
            yield
        finally:
            await runner.cleanup()

    async def _readyz(self, _request: web.Request) -> web.Response:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(_result(check)) for name, check in self._checks.items()}
        checks = {name: task.result() for name, task in tasks.items()}
        failed = [name for name, result in checks.items() if result == "failed" and self._checks[name].critical]
        ready = not self._stopping.is_set() and not failed
        status = "ready" if ready else "not_ready"
        return web.json_response({"status": status, "checks": checks}, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        await _result(Check("metrics", self._refresh))
        return web.Response(body=render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _refresh(self) -> None:
        """Set the gauges of the outbox and the queue; they are queried for each scrape only."""
        # not failed jobs, which wait for their delay
        oldest = func.min(OutboxMessage.created_at).filter(OutboxMessage.attempts == 0)
        age = func.extract("epoch", func.now() - oldest)
        query = select(OutboxMessage.state, func.count(), age).group_by(OutboxMessage.state)
        async with self._database.read() as session:
            found = {state: (count, float(age or 0)) for state, count, age in await session.execute(query)}
            metrics.DEAD_LETTERS.set(await session.scalar(select(func.count()).select_from(DeadLetter)) or 0)
            await self._refresh_schedules(session)
        for state in JobState:
            metrics.OUTBOX_JOBS.labels(state).set(found.get(state, (0, 0.0))[0])
        metrics.OUTBOX_OLDEST_SECONDS.set(max((age for _, age in found.values()), default=0.0))
        metrics.QUEUE_DEPTH.set(await self._broker.depth())

    async def _refresh_schedules(self, session: AsyncSession) -> None:
        age = func.extract("epoch", func.now() - JobSchedule.slot)
        ages = {name: float(age) for name, age in await session.execute(select(JobSchedule.name, age))}
        for schedule in self._schedules:
            every = schedule.every.total_seconds()
            # one without a row is new, and begins with its next slot
            overdue = ages.get(schedule.job.name, 0.0) - every
            metrics.SCHEDULE_OVERDUE_SECONDS.labels(schedule.job.name).set(max(0.0, overdue))


async def _listen(runner: web.AppRunner, settings: JobSettings) -> None:
    try:
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
    except OSError as error:
        variables = "TASKS_METRICS_HOST, TASKS_METRICS_PORT"
        raise ports.cannot_listen(settings.metrics_host, settings.metrics_port, variables, error) from error
    (host, port, *_), *_ = runner.addresses
    log.info("worker_monitoring", host=host, port=port)


async def _livez(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _result(check: Check) -> str:
    try:
        return await check.run(CHECK_SECONDS)
    except Exception as error:  # noqa: BLE001 (any error of a dependency means: not ready)
        log.warning("worker_check_failed", check=check.name, reason=summary(error))
        return "failed"
