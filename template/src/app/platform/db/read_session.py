"""Sessions that refuse to write."""

from typing import Any, NoReturn

from sqlalchemy import Connection, Engine
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


def _refuse_write() -> NoReturn:
    message = "this session only reads: write inside Database.transaction()"
    raise RuntimeError(message)
