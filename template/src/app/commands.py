"""The commands about jobs, of `python -m app`."""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from app.config import load_settings
from app.resources import open_resources
from app.tasks import dead
from app.tasks.dead import add_arguments
from app.worker import work

__all__ = ["add_arguments", "jobs", "worker"]


def worker() -> None:
    """Run jobs until SIGTERM or SIGINT; those that do not end in time are given back."""
    asyncio.run(work(load_settings()))


def jobs(action: str, ids: list[UUID], older_than: float) -> None:
    """Show the jobs that are not done; look after those that gave up."""

    async def run() -> str:
        async with open_resources(load_settings()) as resources:
            return await dead.act(resources.database, action, ids, timedelta(days=older_than))

    sys.stdout.write(asyncio.run(run()) + "\n")
