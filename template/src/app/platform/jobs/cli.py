"""Looking after the jobs that gave up: `python -m app jobs --help`."""

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.session import Database
from app.platform.errors import AppError
from app.platform.jobs.models import DeadJob, OutboxMessage

ACTIONS = {
    "waiting": "count the jobs that are not done, by name and state",
    "dead": "list the jobs that gave up",
    "replay": "have dead jobs tried again, those with these ids or all",
    "purge": "delete dead jobs, those with these ids or all",
}

MOST_DAYS = 36_500


class NoSuchJob(AppError):
    """No dead job has this id."""

    status = 404
    code = "job_not_found"
    title = "No dead job has this id"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m app jobs`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(f"{name:9} {what}" for name, what in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("ids", nargs="*", type=UUID, metavar="id", help="for replay and purge; all when none is named")
    parser.add_argument(
        "--older-than", type=_days, default=0.0, metavar="DAYS", help="only those that died before that"
    )


def _days(given: str) -> float:
    """Of a negative age, all jobs would be old enough."""
    days = float(given)
    if not 0 <= days <= MOST_DAYS:
        message = f"expected 0 to {MOST_DAYS}, not {given}"
        raise argparse.ArgumentTypeError(message)
    return days


async def act(database: Database, action: str, ids: Sequence[UUID], age: timedelta) -> str:
    """Do what the command says, and return what to print.

    Raises:
        NoSuchJob: an id is not that of a dead job; nothing was changed.
    """
    async with database.transaction() as session:
        if action == "waiting":
            return await _waiting(session)
        if action == "dead":
            return await _listed(session, age)
        gone = await _taken(session, ids, age)
        if action == "replay" and gone:
            # asked for now, in the eyes of those who watch how long jobs wait
            kept = ("id", "job", "arguments", "request_id")
            await session.execute(insert(OutboxMessage), [{name: getattr(job, name) for name in kept} for job in gone])
        return f"{len(gone)} {'to be tried again' if action == 'replay' else 'deleted'}"


async def _waiting(session: AsyncSession) -> str:
    query = (
        select(OutboxMessage.job, OutboxMessage.state, func.count(), func.min(OutboxMessage.created_at))
        .group_by(OutboxMessage.job, OutboxMessage.state)
        .order_by(OutboxMessage.job, OutboxMessage.state)
    )
    rows = (await session.execute(query)).all()
    return "\n".join(
        f"{job} {state} {count}, since {since:%Y-%m-%d %H:%M:%S}" for job, state, count, since in rows
    ) or ("no job waits")


async def _listed(session: AsyncSession, age: timedelta) -> str:
    query = select(DeadJob).where(_died_before(age)).order_by(DeadJob.died_at, DeadJob.id)
    lines = [
        f"{job.id} {_when(job.died_at)} {job.job} {job.arguments} after {job.attempts}: {_first_line(job.error)}"
        for job in await session.scalars(query)
    ]
    return "\n".join(lines) or "no job is dead"


async def _taken(session: AsyncSession, ids: Sequence[UUID], age: timedelta) -> Sequence[DeadJob]:
    query = delete(DeadJob).where(_died_before(age))
    if ids:
        query = query.where(DeadJob.id.in_(ids))
    gone = (await session.scalars(query.returning(DeadJob))).all()
    if missing := set(ids) - {job.id for job in gone}:
        raise NoSuchJob(f"no dead job has the id {', '.join(sorted(map(str, missing)))}; nothing was changed")
    return gone


def _died_before(age: timedelta) -> ColumnElement[bool]:
    return DeadJob.died_at <= func.now() - age


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _first_line(error: str | None) -> str:
    return (error or "").partition("\n")[0]
