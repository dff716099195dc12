"""Idempotency keys: a repeated POST has one effect and gets the same answer.

The key is claimed in the transaction of the effect. A second request with it waits for the first one's commit or
rollback in PostgreSQL itself, so there is no moment at which both could run. The table belongs to the template: its
migrations are on the branch `platform`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import ColumnElement, DateTime, String, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.errors import AppError

ResponseT = TypeVar("ResponseT", bound=BaseModel)


class IdempotencyKeyReused(AppError):
    """The key came before with another request."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key was used for another request"


class IdempotencyKey(Base):
    """A key that was used, and the answer it got."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    response: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that a user gave to one request."""

    user_id: UUID
    key: str
    request_digest: str

    @classmethod
    def of(cls, user_id: UUID, key: str, operation: str, body: BaseModel) -> "Claim":
        """The claim of `key` for an operation with this body."""
        request = operation.encode() + b"\n" + to_json(_ordered(body.model_dump(mode="json"), body.model_dump()))
        return cls(user_id, key, hashlib.sha256(request).hexdigest())

    def row(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """The conditions that find the row of this key."""
        return IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key


def _ordered(written: Any, value: Any) -> Any:
    """What was written of a value, with sets sorted: each process goes through them in its own way."""
    match written, value:
        case list(), set() | frozenset():
            return sorted(written, key=to_json)
        case dict(), dict() if len(written) == len(value):
            parts = zip(written.items(), value.values(), strict=True)
            return {key: _ordered(part, inside) for (key, part), inside in parts}
        case list(), list() | tuple() if len(written) == len(value):
            return [_ordered(*both) for both in zip(written, value, strict=True)]
        case _:
            return written


async def claim_key(session: AsyncSession, claim: Claim | None, answer: type[ResponseT]) -> ResponseT | None:
    """Claim the key in the session's transaction; return the answer it got before, `None` when the work is to be done.

    A second request with the same key waits here until the first one's transaction has ended. Without a claim there is
    nothing to wait for.

    Raises:
        IdempotencyKeyReused: the key came before with another request.
    """
    if claim is None:
        return None
    claimed = await session.scalar(
        insert(IdempotencyKey)
        .values(user_id=claim.user_id, key=claim.key, request_digest=claim.request_digest)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if claimed is not None:
        return None
    earlier = (await session.scalars(select(IdempotencyKey).where(*claim.row()))).one()
    if earlier.request_digest != claim.request_digest:
        raise IdempotencyKeyReused
    return answer.model_validate(earlier.response)


async def keep_answer(session: AsyncSession, claim: Claim | None, answer: BaseModel) -> None:
    """Keep the answer beside the claimed key, for requests that repeat this one."""
    if claim is not None:
        row = update(IdempotencyKey).where(*claim.row())
        await session.execute(row.values(response=answer.model_dump(mode="json")))


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete the keys that were claimed before that time, and return how many."""
    result = await session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.created_at < before).returning(IdempotencyKey.key)
    )
    return len(result.all())
