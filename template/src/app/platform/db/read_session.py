"""Sessions that refuse to write."""

from typing import Any, NoReturn

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session


class ReadSession(Session):
    """A session that refuses to write: each statement commits by itself, so a write could not be rolled back."""

    reads_only = True

    def flush(self, objects: Any = None) -> None:
        """Raise when there is anything to flush.

        Raises:
            RuntimeError: an object was added, changed or deleted.
        """
        if self.new or self.dirty or self.deleted:
            _refuse_write()
        super().flush(objects)

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **options: Any) -> Engine | Connection:
        """Raise for statements that write. Every statement passes this method, and it is cheaper than an event.

        Raises:
            RuntimeError: the statement is an INSERT, UPDATE or DELETE.
        """
        if clause is not None and clause.is_dml:
            _refuse_write()
        return super().get_bind(mapper, clause=clause, **options)


class LazySession(AsyncSession):
    """Makes its `Session` when something asks for it, because reads that are built once never do (`one_step.py`).

    To make one and to forget it is 6 % of the work of such a read.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options

    @property
    def is_made(self) -> bool:
        """Return whether there is a `Session`."""
        return "_options" not in self.__dict__

    @property
    def unused_engine(self) -> Engine | None:
        """Return the engine, as long as there is no `Session`; `None` for a session of one connection."""
        bind = None if self.is_made else self._options["bind"]
        return bind.sync_engine if isinstance(bind, AsyncEngine) else None

    def __getattr__(self, name: str) -> Any:
        """Make the `Session`: attributes such as `sync_session` are missing before."""
        if not self.is_made:
            super().__init__(**self.__dict__.pop("_options"))
        return self.__getattribute__(name)


def _refuse_write() -> NoReturn:
    message = "this session only reads: write inside Database.transaction()"
    raise RuntimeError(message)
