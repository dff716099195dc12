"""The database of the jobs is stopped and started again."""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

from dev.postgres import postgres
from dev.process import free_port
from tests.platform.jobs.process.deployment import Tally, deployment_of
from tests.platform.jobs.process.jobs import EFFECT
from tests.support.databases import migrate


async def test_worker_survives_a_restart_of_the_database(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        # not below tmp_path, which only its owner may enter: PostgreSQL started by root runs as another user
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dev-restarted-"))) / "data"
        data.parent.chmod(0o755)
        running = stack.enter_context(ExitStack())
        url = running.enter_context(postgres(data, port=port))
        await asyncio.to_thread(migrate, url)
        async with deployment_of(url, redis_url, tmp_path) as deployment:
            with deployment.worker() as worker:
                await worker.wait_until_ready()
                before = await deployment.enqueue(EFFECT, 5)
                await deployment.wait_until_done(before)
                running.close()
                running.enter_context(postgres(data, port=port))
                after = await deployment.enqueue(EFFECT, 5)
                await deployment.wait_until_done(after)
                assert await worker.stop() == 0
            assert await deployment.tally([*before, *after]) == Tally(10, 10, 0, 0)
