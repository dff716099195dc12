"""Idempotency keys: a repeated POST takes effect once, and gets the same answer again.

A request claims its key in the transaction that makes the change. A second request with the same key waits in
PostgreSQL until the first transaction commits or rolls back, so both can never run at once. The table belongs to the
template: its migrations are on the branch `platform`.
"""

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import ColumnElement, DateTime, String, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.expiry import Transaction, delete_before
from app.platform.errors import AppError

ResponseT = TypeVar("ResponseT", bound=BaseModel)


class IdempotencyKeyReused(AppError):
    """An earlier, different request used the same key."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key was used for another request"


class IdempotencyKey(Base):
    """A used key, and the answer to its request."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    response: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


@dataclass(slots=True)
class Claim:
    """A user's idempotency key, and a digest of the request it is for.

    Attributes:
        replayed: whether `claim_key` found the answer to an earlier request.
    """

    user_id: UUID
    key: str
    request_digest: str
    replayed: bool = False

    @classmethod
    def of(cls, user_id: UUID, key: str, operation: str, body: BaseModel) -> "Claim":
        """Return the claim of `key` for an operation with this body.

        `operation` tells apart the requests of one user: the name of the route, and the parameters of its path.
        """
        request = operation.encode() + b"\n" + to_json(_sort_sets(body.model_dump(mode="json"), body.model_dump()))
        return cls(user_id, key, hashlib.sha256(request).hexdigest())

    @classmethod
    def of_digest(cls, user_id: UUID, key: str, operation: str, digest: str) -> "Claim":
        """Return the claim of `key` for an operation with a long body, of which only this digest is in memory."""
        return cls(user_id, key, hashlib.sha256(f"{operation}\n{digest}".encode()).hexdigest())

    def conditions(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions that select the row of this key."""
        return IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key


def _sort_sets(dumped: Any, value: Any) -> Any:
    """Return the JSON dump of a value with its sets sorted: each process iterates over sets in another sequence."""
    match dumped, value:
        case list(), set() | frozenset():
            return sorted(dumped, key=to_json)
        case dict(), dict() if len(dumped) == len(value):
            parts = zip(dumped.items(), value.values(), strict=True)
            return {key: _sort_sets(part, inside) for (key, part), inside in parts}
        case list(), list() | tuple() if len(dumped) == len(value):
            return [_sort_sets(*both) for both in zip(dumped, value, strict=True)]
        case _:
            return dumped


async def claim_key(session: AsyncSession, claim: Claim | None, answer: type[ResponseT]) -> ResponseT | None:
    """Claim the key in the session's transaction, and return the answer to the earlier request with the same key.

    Return `None` when there is no earlier request or no claim: then the caller does the work. A second request with the
    same key waits here until the first one's transaction has ended.

    Raises:
        IdempotencyKeyReused: an earlier, different request used the same key.
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
    earlier = (await session.scalars(select(IdempotencyKey).where(*claim.conditions()))).one()
    if earlier.request_digest != claim.request_digest:
        raise IdempotencyKeyReused
    claim.replayed = True
    return answer.model_validate(earlier.response)


async def keep_answer(session: AsyncSession, claim: Claim | None, answer: BaseModel) -> None:
    """Store the answer with the claimed key, for later requests with the same key."""
    if claim is not None:
        query = update(IdempotencyKey).where(*claim.conditions())
        await session.execute(query.values(response=answer.model_dump(mode="json")))


async def forget(transaction: Transaction | AsyncSession, before: datetime) -> int:
    """Delete the keys that were claimed before this time, and return their number.

    Each hour of them is deleted in a block of `transaction`, as `delete_before` says; with a session, all in its
    transaction.
    """
    begin = (lambda: nullcontext(transaction)) if isinstance(transaction, AsyncSession) else transaction
    return await delete_before(begin, IdempotencyKey.created_at, before)
