"""Hooks of the fuzzer: the media types of this service."""

import json

import schemathesis


def ndjson(_context: object, value: object) -> bytes:
    """Serialize the documents, one in each line."""
    documents = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(document) for document in documents).encode()


schemathesis.serializer("application/x-ndjson")(ndjson)
