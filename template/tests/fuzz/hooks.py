"""What the fuzzer has to know to talk to this service."""

import json

import schemathesis


def ndjson(_context: object, value: object) -> bytes:
    """One document a line."""
    documents = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(document) for document in documents).encode()


schemathesis.serializer("application/x-ndjson")(ndjson)
