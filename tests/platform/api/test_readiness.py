"""Failed and hanging checks in the answer of `/readyz`."""

import asyncio
import gc
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import httpx2 as httpx
import pytest

from app.platform.resources import Check
from app.resources import Resources


async def refuse() -> None:
    message = "no"
    raise ConnectionError(message)


async def hang() -> None:
    await asyncio.sleep(60)


class Search:
    """A resource of the service's owner."""

    def __init__(self) -> None:
        self.closed = False

    async def ping(self) -> None:
        """Raise when it does not answer."""

    async def close(self) -> None:
        """Close it."""
        self.closed = True


@pytest.mark.parametrize(("critical", "status", "word"), [(True, 503, "not_ready"), (False, 200, "ready")])
async def test_failed_check_counts_when_it_is_critical(
    client: httpx.AsyncClient, resources: Resources, critical: bool, status: int, word: str
) -> None:
    resources.checks.append(Check("broker", refuse, critical=critical))
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (status, word)
    assert answer.json()["checks"]["broker"] == {"status": "failed", "critical": critical}
    assert answer.json()["checks"]["postgresql"]["status"] == "ok"


async def test_busy_dependency_is_ready(client: httpx.AsyncClient, resources: Resources) -> None:
    async def ping() -> Literal["busy"]:
        return "busy"

    resources.checks.append(Check("search", ping))
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"]["search"] == {"status": "busy", "critical": True}


async def test_check_that_swallows_its_cancellation_is_not_waited_for(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    released = asyncio.Event()

    async def ping() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await released.wait()

    http = resources.settings.http.model_copy(update={"readiness_timeout": 0.05})
    resources.settings = replace(resources.settings, http=http)
    resources.checks = [Check("stubborn", ping)]
    async with asyncio.timeout(5):
        answer = await client.get("/readyz")
    assert answer.json()["checks"]["stubborn"]["status"] == "failed"
    released.set()


async def test_error_of_a_check_that_nobody_waits_for_is_not_logged(complaints: list[dict[str, Any]]) -> None:
    """A library may answer its cancellation with an error of its own."""
    ended = asyncio.Event()

    async def ping() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            message = "gave up"
            raise ConnectionError(message) from None

    with pytest.raises(TimeoutError):
        await Check("search", ping).run(0.01)
    await ended.wait()
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


async def test_check_that_hangs_has_failed(client: httpx.AsyncClient, resources: Resources) -> None:
    http = resources.settings.http.model_copy(update={"readiness_timeout": 0.05})
    resources.settings = replace(resources.settings, http=http)
    resources.checks = [Check("one", hang), Check("other", hang)]
    async with asyncio.timeout(5):
        answer = await client.get("/readyz")
    assert {check["status"] for check in answer.json()["checks"].values()} == {"failed"}


async def test_added_resource_is_checked_and_closed(client: httpx.AsyncClient, resources: Resources) -> None:
    search = resources.add("search", Search(), critical=False)
    answer = await client.get("/readyz")
    assert answer.json()["checks"]["search"] == {"status": "ok", "critical": False}
    await resources.stack.aclose()
    assert search.closed
