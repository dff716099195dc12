"""`python -m app seed`: sample users with what belongs to them, made once, in development only."""

import argparse
from dataclasses import replace

import httpx2 as httpx
import pytest
from sqlalchemy import func, select, text

from app import sample_data
from app.config import Settings
from app.features.users.models import User
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import Environment, ProcessSettings
from app.services import Services


async def test_sample_users_are_made_once(
    settings: Settings, services: Services, database: Database, client: httpx.AsyncClient
) -> None:
    printed = f"their password is: {sample_data.PASSWORD}"
    assert await sample_data.add_sample_users(settings, services, 2) == f"2 users added, 0 were there; {printed}"
    before = await rows(database)
    assert await sample_data.add_sample_users(settings, services, 2) == f"0 users added, 2 were there; {printed}"
    assert await rows(database) == before
    assert await sample_data.add_sample_users(settings, services, 3) == f"1 users added, 2 were there; {printed}"
    form = {"username": "user-3@example.com", "password": sample_data.PASSWORD}
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 200
    # each user has as many rows of each feature
    assert await rows(database) == {table: count // 2 * 3 for table, count in before.items()}


async def rows(database: Database) -> dict[str, int]:
    """Count the rows of all tables but those of sessions."""
    tables = [table for table in User.metadata.tables if table != "refresh_tokens"]
    async with database.read() as session:
        return {table: await session.scalar(select(func.count()).select_from(text(table))) or 0 for table in tables}


async def test_known_passwords_stay_in_development(settings: Settings, services: Services, database: Database) -> None:
    production = replace(settings, process=ProcessSettings.model_construct(environment=Environment.PRODUCTION))
    with pytest.raises(StartupError, match="only"):
        await sample_data.add_sample_users(production, services, 1)
    assert not any((await rows(database)).values())


@pytest.mark.parametrize("given", ["0", "-1", "10001", "many", "1.5", "²"])
def test_number_of_sample_users_is_bounded(given: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    sample_data.seed_arguments(parser)
    assert parser.parse_args([]).users == 10
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parser.parse_args([given])
