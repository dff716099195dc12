"""The contract of the service of users, the same in both styles of data access."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.features.users.errors import EmailTaken, UserNotFound
from app.features.users.models import User
from app.features.users.schemas import UserCreate, UserUpdate
from app.features.users.service import UserService
from app.platform.context import Actor, actor
from app.platform.db.pagination import Cursor, PageRequest
from app.platform.db.session import Database
from app.resources import Resources
from app.services import Services
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
REFUSE_AT_COMMIT = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = 'check_violation'; END$$
    """,
    """
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
    """,
)


def registration(email: str = EMAIL, full_name: str | None = None) -> UserCreate:
    return UserCreate(email=email, password=SecretStr(PASSWORD), full_name=full_name)


@pytest.fixture
def users(services: Services) -> UserService:
    return services.users


@contextmanager
def acting(user_id: UUID) -> Iterator[None]:
    token = actor.set(Actor(user_id))
    yield
    actor.reset(token)


async def stored(database: Database) -> list[User]:
    async with database.read() as session:
        return list(await session.scalars(select(User).order_by(User.email)))


async def execute(database: Database, *statements: str) -> None:
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))


async def test_created_user_is_found(users: UserService) -> None:
    created = await users.create(registration("Ada@Example.com", "Ada Lovelace"))
    assert (created.email, created.full_name) == (EMAIL, "Ada Lovelace")
    assert (created.is_active, created.is_admin) == (True, False)
    assert await users.find(created.id) == created
    assert await users.get(created.id) == created


async def test_password_is_not_stored(users: UserService, database: Database) -> None:
    await users.create(registration())
    (user,) = await stored(database)
    assert user.password_hash.startswith("$argon2id$")


async def test_unknown_user_is_not_found(users: UserService) -> None:
    assert await users.find(uuid4()) is None
    assert await users.active_actor(uuid4()) is None
    with pytest.raises(UserNotFound):
        await users.get(uuid4())
    with pytest.raises(UserNotFound):
        await users.update(uuid4(), UserUpdate(full_name="Ada"))
    with pytest.raises(UserNotFound):
        await users.update(uuid4(), UserUpdate())
    with pytest.raises(UserNotFound):
        await users.delete(uuid4())
    with pytest.raises(UserNotFound):
        await users.grant_admin("nobody@example.com")


async def test_address_is_taken_once(users: UserService, database: Database) -> None:
    await users.create(registration())
    with pytest.raises(EmailTaken):
        await users.create(registration())
    assert len(await stored(database)) == 1


@pytest.mark.commits
async def test_of_concurrent_registrations_one_gets_the_address(users: UserService, database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(users.create(registration()))) for _ in range(5)]
    outcomes = [task.result() for task in tasks]
    assert outcomes.count(EmailTaken) == 4
    assert len(await stored(database)) == 1


async def outcome(call: Any) -> type[Exception] | None:
    try:
        await call
    except EmailTaken as error:
        return type(error)
    return None


async def test_other_violated_constraint_is_no_taken_address(users: UserService, database: Database) -> None:
    await execute(database, "ALTER TABLE users ADD CONSTRAINT at_home CHECK (email LIKE '%@home.example')")
    with pytest.raises(IntegrityError, match="at_home"):
        await users.create(registration())


async def test_sign_in_takes_the_right_password_of_an_active_user(users: UserService, database: Database) -> None:
    created = await users.create(registration())
    verified = await users.authenticate("ADA@example.com", PASSWORD)
    assert verified
    assert verified.actor == Actor(created.id, is_admin=False)
    assert await users.authenticate(EMAIL, "wrong") is None
    assert await users.authenticate("eve@example.com", PASSWORD) is None
    await execute(database, "UPDATE users SET is_active = false")
    assert await users.authenticate(EMAIL, PASSWORD) is None
    assert await users.active_actor(created.id) is None


async def test_actor_has_current_rights(users: UserService) -> None:
    created = await users.create(registration())
    assert await users.active_actor(created.id) == Actor(created.id, is_admin=False)
    await users.grant_admin("ADA@example.com")
    assert await users.active_actor(created.id) == Actor(created.id, is_admin=True)


@pytest.mark.commits
async def test_pages_are_newest_first(users: UserService) -> None:
    created = [await users.create(registration(f"{name}@example.com")) for name in "abc"]
    first = await users.page(PageRequest(limit=2))
    assert first.items == created[:0:-1]
    assert first.next_cursor is not None
    second = await users.page(PageRequest(limit=2, after=Cursor.decode(first.next_cursor)))
    assert (second.items, second.next_cursor) == (created[:1], None)


@pytest.mark.parametrize(
    ("change", "full_name"),
    [({"full_name": "Ada"}, "Ada"), ({"full_name": None}, None), ({}, "Before")],
)
async def test_only_given_fields_are_changed(users: UserService, change: dict[str, Any], full_name: str | None) -> None:
    created = await users.create(registration(full_name="Before"))
    updated = await users.update(created.id, UserUpdate(**change))
    assert updated == created.model_copy(update={"full_name": full_name})
    assert await users.get(created.id) == updated


async def test_deleted_user_is_gone_but_the_address_stays_taken(users: UserService, database: Database) -> None:
    created = await users.create(registration())
    await users.delete(created.id)
    assert await users.find(created.id) is None
    assert await users.active_actor(created.id) is None
    assert await users.authenticate(EMAIL, PASSWORD) is None
    assert (await users.page(PageRequest())).items == []
    for call in (
        users.get(created.id),
        users.update(created.id, UserUpdate(full_name="Ada")),
        users.delete(created.id),
        users.grant_admin(EMAIL),
    ):
        with pytest.raises(UserNotFound):
            await call
    with pytest.raises(EmailTaken):
        await users.create(registration())
    (user,) = await stored(database)
    assert user.deleted_at is not None
    assert (user.full_name, user.is_admin) == (None, False)


@pytest.mark.commits
async def test_audit_columns_carry_the_caller(users: UserService, database: Database) -> None:
    one, other = uuid4(), uuid4()
    with acting(one):
        created = await users.create(registration())
    (user,) = await stored(database)
    assert (user.created_by, user.updated_by) == (one, one)
    with acting(other):
        await users.update(created.id, UserUpdate(full_name="Ada"))
    (changed,) = await stored(database)
    assert (changed.created_by, changed.updated_by) == (one, other)
    assert changed.created_at == user.created_at
    assert changed.updated_at > user.updated_at
    await users.delete(created.id)
    (deleted,) = await stored(database)
    assert (deleted.created_by, deleted.updated_by) == (one, None)
    assert deleted.deleted_at == deleted.updated_at


@pytest.mark.commits
async def test_failure_after_the_flush_leaves_no_row(users: UserService, database: Database) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    event.listen(Session, "after_flush", fail)
    try:
        with pytest.raises(ZeroDivisionError):
            await users.create(registration())
    finally:
        event.remove(Session, "after_flush", fail)
    assert await stored(database) == []


@pytest.mark.commits
async def test_failure_of_the_commit_is_raised_and_leaves_nothing(users: UserService, database: Database) -> None:
    created = await users.create(registration())
    await execute(database, *REFUSE_AT_COMMIT)
    for call in (
        users.create(registration("eve@example.com")),
        users.update(created.id, UserUpdate(full_name="Ada")),
        users.grant_admin(EMAIL),
        users.delete(created.id),
    ):
        with pytest.raises(IntegrityError, match="refused at commit"):
            await call
    assert await users.get(created.id) == created
    assert len(await stored(database)) == 1


async def test_lookup_is_one_round_trip(migrated_url: str, resources: Resources) -> None:
    async with RoundTrips(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()
        users = UserService(database, resources.hasher)
        created = await users.create(registration())
        for _ in range(6):  # psycopg prepares a statement when it has seen it five times
            await users.find(created.id)
        before = proxy.count
        assert await users.find(created.id) == created
        assert proxy.count - before == 1
        await database.close()
