"""A change of the password beside a sign-in or another change: no token of the old password outlives it."""

import asyncio

import pytest
from sqlalchemy import select, update

from app.features.users.errors import WrongPassword
from app.features.users.models import User
from app.features.users.schemas import AccountUpdate, UserCreate
from app.platform.auth.errors import InvalidCredentials
from app.platform.auth.models import RefreshToken
from app.platform.auth.service import VerifiedPassword
from app.platform.db.session import Database
from app.services import Services
from tests.support.client import PASSWORD

ADA = "ada@example.com"
BETTER = "a better password"

pytestmark = pytest.mark.commits


@pytest.fixture
async def verified(services: Services) -> VerifiedPassword:
    """Return what a sign-in knows after it has checked the password, before it issues tokens."""
    await services.users.create(UserCreate.model_validate({"email": ADA, "password": PASSWORD}))
    verified = await services.users.authenticate(ADA, PASSWORD)
    assert verified
    return verified


async def valid_tokens(database: Database) -> int:
    async with database.read() as session:
        return len((await session.scalars(select(RefreshToken.id).where(RefreshToken.revoked_at.is_(None)))).all())


async def test_sign_in_ends_when_the_password_was_changed_meanwhile(
    services: Services, database: Database, verified: VerifiedPassword
) -> None:
    await services.users.change_password(verified.actor.user_id, PASSWORD, BETTER)
    with pytest.raises(InvalidCredentials):
        await services.auth.issue(verified)
    assert await valid_tokens(database) == 0


@pytest.mark.parametrize("change", [{"is_active": False}, {"deleted": True}], ids=str)
async def test_sign_in_ends_when_the_account_was_closed_meanwhile(
    services: Services, database: Database, verified: VerifiedPassword, change: dict[str, bool]
) -> None:
    if "deleted" in change:
        await services.users.delete(verified.actor.user_id)
    else:
        await services.users.administer(verified.actor.user_id, AccountUpdate(is_active=False))
    with pytest.raises(InvalidCredentials):
        await services.auth.issue(verified)
    assert await valid_tokens(database) == 0


async def test_sign_in_waits_for_a_change_that_is_not_committed(
    services: Services, database: Database, verified: VerifiedPassword
) -> None:
    async with database.transaction() as session:
        await session.execute(update(User).values(password_hash="another"))
        issuing = asyncio.create_task(services.auth.issue(verified))
        done, _ = await asyncio.wait([issuing], timeout=0.5)
        assert not done
    with pytest.raises(InvalidCredentials):
        await issuing
    assert await valid_tokens(database) == 0


async def test_of_two_changes_of_one_password_one_succeeds(services: Services, verified: VerifiedPassword) -> None:
    changes = (
        services.users.change_password(verified.actor.user_id, PASSWORD, new) for new in (BETTER, f"{BETTER} still")
    )
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert {type(each) for each in outcomes} == {VerifiedPassword, WrongPassword}


def test_hash_is_not_shown(verified: VerifiedPassword) -> None:
    assert "argon2" in verified.password_hash
    assert "argon2" not in repr(verified)
