"""Request bodies of JSON lines that are complete and valid before the work on them begins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel

from app.platform.errors import AppError
from app.platform.http import ndjson
from app.platform.http.errors import UnsupportedType
from app.platform.http.media_types import encoded
from app.platform.idempotency import Claim
from app.platform.resources import PlatformResources
from app.platform.spools import Spool

ModelT = TypeVar("ModelT", bound=BaseModel)


class Lines(Generic[ModelT]):
    """The valid lines of a body that was received completely."""

    def __init__(self, spool: Spool, user: UUID, model: type[ModelT], refusal: type[AppError]) -> None:
        self._spool = spool
        self._user = user
        self._model = model
        self._refusal = refusal

    def batches(self) -> AsyncIterator[list[ModelT]]:
        """Yield the documents in lists of at most 2000, or about 512 KiB of text, as often as it is called."""
        return ndjson.batches(self._spool.chunks(), self._model, self._refusal)

    def claim(self, key: str | None, operation: str) -> Claim | None:
        """Return the claim of an idempotency key for this body; `None` without a key."""
        return Claim.of_digest(self._user, key, operation, self._spool.digest) if key else None


@asynccontextmanager
async def receive_lines(
    request: Request, user: UUID, model: type[ModelT], refusal: type[AppError]
) -> AsyncIterator[Lines[ModelT]]:
    """Receive and check the whole body, and yield its lines. No database connection is needed meanwhile.

    Raises:
        UnsupportedType: the body is not NDJSON, or compressed.
        Busy: too many bodies are being received.
        TooManyUploads: too many of them are of this user.
        TooLarge: the body has more bytes than `HTTP_MAX_IMPORT_BYTES`.
        NoSpace: the temporary file cannot be written.
        AppError: of the type `refusal`: a line is not valid.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != ndjson.MEDIA_TYPE:
        raise UnsupportedType(accept=ndjson.MEDIA_TYPE)
    if refused := encoded(request):
        raise refused
    resources: PlatformResources[Any] = request.state.resources
    with resources.spools.open(user) as spool:
        # short lists, because nobody needs the documents yet
        async for _ in ndjson.batches(_kept(request.stream(), spool), model, refusal, size=32):
            pass
        yield Lines(spool, user, model, refusal)


async def _kept(chunks: AsyncIterator[bytes], spool: Spool) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        await spool.write(chunk)
        yield chunk
