"""`python -m app api` with a route that writes, enqueues a job and calls another service; the job calls it as well."""

from fastapi import APIRouter
from sqlalchemy import text

from app import __main__ as program
from app import routes
from app.dependencies import ResourcesDep
from app.platform.jobs.outbox import enqueue
from tests.platform.jobs.process.jobs import CALLING

router = APIRouter(tags=["traced"])


@router.post("/traced/{secret}")
async def traced(secret: str, url: str, resources: ResourcesDep) -> None:
    """Write a row, enqueue a job, and call another service."""
    async with resources.database.transaction() as session:
        await session.execute(text("INSERT INTO gate DEFAULT VALUES"))
        await enqueue(session, CALLING, url=url)
    await resources.http.post(f"{url}/{secret}?key={secret}", json={})


routes.ROUTERS = (*routes.ROUTERS, router)

if __name__ == "__main__":
    program.main()
