"""Repositories read from the replica in a reading session, and from the primary in a transaction."""

from app.platform.db.repository import AsyncRepository
from tests.platform.db.replica.helpers import Note, NoteRead, reads_from, replicating, write
from tests.platform.support.replication import Pair
from tests.support.databases import execute


class NoteRepository(AsyncRepository[Note]):
    """Notes."""

    model = Note


async def test_each_call_of_a_repository(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        await pair.replica.pause()
        try:
            await execute(pair.primary.url, "INSERT INTO notes VALUES ('new')")
            async with database.read() as session:
                notes = NoteRepository(session)
                # the replica does not have it yet
                assert await notes.read(NoteRead).all() == []
                assert await notes.list() == []
                assert await notes.get("new") is None
                assert await notes.count() == 0
            async with database.transaction() as session:
                assert await NoteRepository(session).count() == 1
                assert len(await NoteRepository(session).read(NoteRead).all()) == 1
            await write(database, "mine")
            async with database.read() as session:
                assert await NoteRepository(session).count() == 2
        finally:
            await pair.replica.resume()
            await execute(pair.primary.url, "TRUNCATE notes")


async def test_a_lost_replica_is_not_noticed(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        pair.replica.stop()
        try:
            for _ in range(2):
                async with database.read() as session:
                    notes = NoteRepository(session)
                    assert await notes.read(NoteRead).all() == []
                    assert await notes.list() == []
                    assert await notes.count() == 0
        finally:
            pair.replica.start()
