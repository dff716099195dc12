"""Hooks of the fuzzer: the media types of this service."""

import json
from typing import Any

import schemathesis


def ndjson(_context: object, value: object) -> bytes:
    """Serialize the documents, one in each line."""
    documents = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(document) for document in documents).encode()


schemathesis.serializer("application/x-ndjson")(ndjson)


@schemathesis.hook  # type: ignore[untyped-decorator] # schemathesis is installed for `make fuzz` only
def before_load_schema(_context: object, document: dict[str, Any]) -> None:
    """Let the fuzzer generate documents for the lines of a body, which is only text in OpenAPI."""
    for item in document["paths"].values():
        for operation in item.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if line := content["schema"].get("x-line-schema"):
                    content["schema"] = {"type": "array", "items": line}
