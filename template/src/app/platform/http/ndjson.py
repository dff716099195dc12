"""Read a stream of JSON documents, one in each line, in bounded memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.platform.errors import AppError
from app.platform.json_errors import first_errors, shorten

MEDIA_TYPE = "application/x-ndjson"

ModelT = TypeVar("ModelT", bound=BaseModel)

_PAUSE = 32
"""The lines after which other requests run: some tenths of a millisecond of work."""

_BATCH_BYTES = 524_288
"""The text after which a batch ends: as Python objects, it is about ten times as large."""


def request_body(model: type[BaseModel], example: str) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads such a stream; `example` is one line.

    OpenAPI 3.1 cannot describe lines, so the body is text, and the extension `x-line-schema` has the schema of a line.
    """
    text = {
        "type": "string",
        "format": "binary",
        "contentMediaType": MEDIA_TYPE,
        "examples": [f"{example}\n{example}\n"],
        "x-line-schema": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    description = f"JSON lines: one {model.__name__} in each line, without brackets or commas between the lines."
    return {"requestBody": {"required": True, "description": description, "content": {MEDIA_TYPE: {"schema": text}}}}


async def batches(
    chunks: AsyncIterator[bytes],
    model: type[ModelT],
    refusal: type[AppError],
    *,
    size: int = 2000,
    line_limit: int = 65_536,
) -> AsyncIterator[list[ModelT]]:
    """Yield the documents in lists of `size` at most; long documents make shorter lists, of about 512 KiB of text.

    Only one list, one chunk and one line, of `line_limit` bytes at most, are in memory.

    Raises:
        AppError: of the type `refusal`: a line is longer than `line_limit`, or not a document of this model.
    """
    batch: list[ModelT] = []
    number = length = 0
    async for lines in _lines(chunks, line_limit):
        for line in lines:
            number += 1
            if number % _PAUSE == 0:
                await asyncio.sleep(0)
            if len(line) > line_limit:
                message = f"Line {number}: document: The line is longer than {line_limit} bytes."
                raise refusal(message)
            if not line or line.isspace():
                continue
            batch.append(_parse(line, number, model, refusal))
            length += len(line)
            if len(batch) == size or length >= _BATCH_BYTES:
                yield batch
                batch, length = [], 0
    if batch:
        yield batch


async def _lines(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[list[bytes]]:
    """Yield the lines that are complete; and the last one of those before its end, once it is longer than `limit`."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > limit:
            lines, rest = [*lines, rest], b""
        yield lines
    yield [rest]


def _parse(line: bytes, number: int, model: type[ModelT], refusal: type[AppError]) -> ModelT:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = first_errors(error).errors(include_input=False, include_url=False)[0]
        where = shorten(".".join(map(str, first["loc"]))) or "document"
        message = f"Line {number}: {where}: {shorten(first['msg'])}."
        raise refusal(message) from error
