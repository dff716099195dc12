"""What tests with replicas share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel
from sqlalchemy import MetaData, make_url, text
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.reading import ReadQuery
from app.platform.db.selection import Selection
from app.platform.db.session import Database
from app.platform.db.shapes import shape_of
from tests.platform.support.replication import Server, eventually
from tests.support.databases import settings_for

PORT = text("SELECT inet_server_port()")


class Note(Base):
    __tablename__ = "notes"
    # no table of the service
    metadata = MetaData()

    text: Mapped[str] = mapped_column(primary_key=True)


class NoteRead(BaseModel):
    text: str


@asynccontextmanager
async def replicating(
    url: str, replica_url: str, redis_url: str | None = None, **values: object
) -> AsyncIterator[Database]:
    """Open a database with a replica."""
    database = Database(settings_for(url, replica_url=replica_url, **values), redis_url=redis_url)
    await database.init()
    try:
        yield database
    finally:
        await database.close()


def port_of(server: Server) -> int:
    port = make_url(server.url).port
    assert port
    return port


async def port_used(database: Database) -> int:
    """Return the port of the server that the caller reads from."""
    async with database.read() as session:
        port: int = (await session.execute(PORT)).scalar_one()
        return port


async def reads_from(database: Database, server: Server) -> None:
    """Wait until reads go to this server."""

    async def they_do() -> bool:
        return await port_used(database) == port_of(server)

    await eventually(they_do)


async def write(database: Database, note: str) -> None:
    async with database.transaction() as session:
        session.add(Note(text=note))


async def notes(database: Database) -> list[str]:
    """Return all notes, read over columns."""
    query: ReadQuery[NoteRead] = ReadQuery(database.read, Selection(shape_of(Note, NoteRead)))
    return [note.text for note in await query.all()]
