"""Steps of a transaction: nested transactions, failed steps, and steps after the transaction's end."""

import pytest
from sqlalchemy.exc import IntegrityError

from app.features.users.models import User
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import Database, SessionProvider
from tests.platform.db.access.dao.users import Refused, Users


async def test_nested_transaction_joins_the_outer_one(database: Database) -> None:
    async def inner(provider: SessionProvider) -> int:
        await Users(provider).insert("bob")
        return await Users(provider).counter.count()

    async def outer(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        assert await execute_transaction(provider, inner) == 2
        raise Refused

    with pytest.raises(Refused):
        await execute_transaction(database, outer)
    assert await Users(database).counter.count() == 0


async def test_exception_of_a_nested_transaction_comes_out_of_the_outer_one(database: Database) -> None:
    async def inner(provider: SessionProvider) -> None:
        await Users(provider).insert("bob")
        raise Refused

    async def outer(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        await execute_transaction(provider, inner)

    with pytest.raises(Refused):
        await execute_transaction(database, outer)
    assert await Users(database).counter.count() == 0


async def test_half_a_step_is_never_committed(database: Database) -> None:
    async def inner(provider: SessionProvider) -> None:
        await Users(provider).insert("bob")
        raise Refused

    async def outer(provider: SessionProvider) -> None:
        with pytest.raises(Refused):
            await execute_transaction(provider, inner)

    with pytest.raises(RuntimeError, match="nothing is committed") as raised:
        await execute_transaction(database, outer)
    assert isinstance(raised.value.__cause__, Refused)
    assert await Users(database).counter.count() == 0


async def test_step_in_a_savepoint_may_fail(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        async with provider.transaction() as session:
            with pytest.raises(IntegrityError):
                async with session.begin_nested():
                    await Users(provider).insert("bob", "ada")
        await Users(provider).insert("cyd")

    await execute_transaction(database, steps)
    stored = await Users(database).querier.order_by(User.email).all()
    assert [user.email for user in stored] == ["ada", "cyd"]


async def test_error_of_a_read_may_be_caught(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        with pytest.raises(ValueError, match="no column"):
            Users(provider).querier.filter(emial="ada")
        async with provider.read() as session:
            with pytest.raises(ZeroDivisionError):
                await session.run_sync(lambda _session: 1 // 0)
        await Users(provider).insert("ada")

    await execute_transaction(database, steps)
    assert await Users(database).counter.count() == 1


async def test_provider_raises_after_its_transaction(database: Database) -> None:
    async def leak(provider: SessionProvider) -> SessionProvider:
        return provider

    async def leak_and_fail(provider: SessionProvider) -> None:
        leaked.append(provider)
        raise Refused

    leaked = [await execute_transaction(database, leak)]
    with pytest.raises(Refused):
        await execute_transaction(database, leak_and_fail)
    for provider in leaked:
        for opening in (provider.transaction, provider.read):
            with pytest.raises(RuntimeError, match="the transaction has ended"):
                async with opening():
                    pass
        with pytest.raises(RuntimeError, match="the transaction has ended"):
            await Users(provider).querier.all()


async def test_provider_of_a_nested_transaction_ends_with_it(database: Database) -> None:
    async def inner(provider: SessionProvider) -> SessionProvider:
        return provider

    async def outer(provider: SessionProvider) -> None:
        ended = await execute_transaction(provider, inner)
        with pytest.raises(RuntimeError, match="the transaction has ended"):
            await Users(ended).counter.count()
        await Users(provider).insert("ada")

    await execute_transaction(database, outer)
    assert await Users(database).counter.count() == 1
