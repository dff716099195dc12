"""The command line for unfinished jobs and dead letters: `python -m app jobs --help`."""

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.session import Database
from app.platform.errors import AppError
from app.platform.jobs import outbox
from app.platform.jobs.models import DeadLetter

ACTIONS = {
    "waiting": "count the unfinished jobs, by name and state",
    "dead": "list the dead letters: jobs that gave up",
    "replay": "try jobs among the dead letters again: those with these ids, or all",
    "purge": "delete dead letters: those with these ids, or all",
}

MAX_DAYS = 36_500


class DeadLetterNotFound(AppError):
    """No dead letter has this id."""

    status = 404
    code = "job_not_found"
    title = "No dead letter has this id"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m app jobs`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(f"{name:9} {description}" for name, description in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("ids", nargs="*", type=UUID, metavar="id", help="for replay and purge; default: all")
    parser.add_argument(
        "--older-than", type=_days, default=0.0, metavar="DAYS", help="only dead letters older than this"
    )


def _days(given: str) -> float:
    """Parse an age in days; refuse negative ages, which would match every dead letter."""
    try:
        days = float(given)
    except ValueError:
        days = -1.0
    if not 0 <= days <= MAX_DAYS:
        message = f"expected 0 to {MAX_DAYS}, not {given}"
        raise argparse.ArgumentTypeError(message)
    return days


async def act(database: Database, action: str, ids: Sequence[UUID], age: timedelta) -> str:
    """Perform the action, and return the text to print.

    Raises:
        DeadLetterNotFound: no dead letter has one of the ids; nothing was changed.
    """
    async with database.transaction() as session:
        if action == "waiting":
            return await _unfinished(session)
        if action == "dead":
            return "\n".join(map(_line, await outbox.dead_letters(session, age))) or "no dead letters"
        letters = await outbox.delete_dead_letters(session, ids, age)
        _require_all(ids, letters)
        if action == "purge":
            return f"{len(letters)} deleted"
        await outbox.replay(session, letters)
        return f"{len(letters)} to be tried again"


async def _unfinished(session: AsyncSession) -> str:
    lines = [
        f"{job} {state} {count}, since {_time(since)}"
        for job, state, count, since in await outbox.count_unfinished(session)
    ]
    return "\n".join(lines) or "no unfinished jobs"


def _line(letter: DeadLetter) -> str:
    error = (letter.error or "").partition("\n")[0]
    return f"{letter.id} {_time(letter.died_at)} {letter.job} {letter.arguments} after {letter.attempts}: {error}"


def _require_all(ids: Sequence[UUID], letters: Sequence[DeadLetter]) -> None:
    if missing := set(ids) - {letter.id for letter in letters}:
        named = ", ".join(sorted(map(str, missing)))
        raise DeadLetterNotFound(f"no dead letter has the id {named}; nothing was changed")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
