"""DAOs read from the replica, and share transactions on the primary."""

from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import SessionProvider
from tests.platform.db.replica.helpers import Note, NoteRead, reads_from, replicating, write
from tests.platform.support.replication import Pair
from tests.support.databases import execute


class NoteDAO(BaseDAO[Note]):
    """Notes."""

    model = Note


async def test_each_call_of_a_dao(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        await pair.replica.pause()
        try:
            await execute(pair.primary.url, "INSERT INTO notes VALUES ('new')")
            dao = NoteDAO(database)
            # the replica does not have it yet
            assert await dao.querier.all() == []
            assert await dao.querier.as_(NoteRead).all() == []
            assert await dao.get("new") is None
            assert await dao.counter.count() == 0
            assert not await dao.counter.exists()

            async def steps(provider: SessionProvider) -> int:
                return await NoteDAO(provider).counter.count()

            assert await execute_transaction(database, steps) == 1
            await write(database, "mine")
            assert await dao.counter.count() == 2
        finally:
            await pair.replica.resume()
            await execute(pair.primary.url, "TRUNCATE notes")


async def test_a_lost_replica_is_not_noticed(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        dao = NoteDAO(database)
        pair.replica.stop()
        try:
            assert await dao.querier.all() == []
            assert await dao.querier.as_(NoteRead).all() == []
            assert await dao.counter.count() == 0
        finally:
            pair.replica.start()
