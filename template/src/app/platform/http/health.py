"""Routes for orchestrators and monitoring: liveness, readiness, metrics. They have no prefix, rate limit or log."""

import asyncio
from typing import Any, Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.platform import metrics
from app.platform.resources import Check, CheckStatus, PlatformResources
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])


class CheckResult(BaseModel):
    """The result of one check. The service stays ready when one is busy or degraded, or fails and is not critical."""

    status: Literal["ok", "busy", "degraded", "failed"]
    critical: bool


class Readiness(BaseModel):
    """Whether this process can serve requests. One that is draining still does, but will stop soon."""

    status: Literal["ready", "not_ready", "draining"]
    checks: dict[str, CheckResult]


@router.get("/livez")
async def livez() -> dict[Literal["status"], Literal["alive"]]:
    """Show that the process runs and its event loop is not blocked."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not ready"}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Check all dependencies at once, each with a timeout."""
    resources: PlatformResources[Any] = request.state.resources
    if resources.draining:
        response.status_code = 503
        return Readiness(status="draining", checks={})
    timeout = resources.settings.http.readiness_timeout
    async with asyncio.TaskGroup() as group:
        tasks = {check.name: (check, group.create_task(_run(check, timeout))) for check in resources.checks}
    checks = {name: CheckResult(status=task.result(), critical=check.critical) for name, (check, task) in tasks.items()}
    ready = all(result.status != "failed" for result in checks.values() if result.critical)
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not_ready", checks=checks)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def prometheus() -> Response:
    """Show the metrics in Prometheus' text format."""
    return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _run(check: Check, seconds: float) -> CheckStatus | Literal["failed"]:
    try:
        return await check.run(seconds)
    except Exception as error:  # noqa: BLE001 (any exception of a dependency means: not ready)
        log.warning("readiness_check_failed", check=check.name, reason=summary(error))
        return "failed"
