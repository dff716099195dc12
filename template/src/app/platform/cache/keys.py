"""The names of values in Redis."""

import hashlib
from dataclasses import dataclass
from datetime import date
from enum import Enum
from urllib.parse import quote
from uuid import UUID

MAX_PART = 80
"""The longest part of a key that is written out; of a longer one the key has the hash."""

Part = str | int | UUID | date | Enum


@dataclass(frozen=True, slots=True)
class Names:
    """The names in Redis for one key: its value, the right to load it, and its versions.

    There is a version for the whole cache, and for each beginning of the key; the last one is that of the key itself.
    """

    value: str
    loading: str
    versions: tuple[str, ...]

    @classmethod
    def of(cls, prefix: str, schema: str, parts: tuple[Part, ...]) -> "Names":
        """Return the names for these parts; `schema` says what values look like, and has no influence on versions."""
        path, versions = "", [f"{prefix}/versions"]
        for part in parts:
            path = f"{path}/{quoted(part)}"
            versions.append(f"{versions[0]}{path}")
        return cls(f"{prefix}/values-{schema}{path}", f"{prefix}/loading-{schema}{path}", tuple(versions))


def check(parts: tuple[Part, ...]) -> None:
    """Check the types of the parts of a key.

    Raises:
        TypeError: one is none of `Part`, so that its text may not say which one it is.
    """
    for part in parts:
        if not isinstance(part, Part):
            message = f"a key cannot have a part of type {type(part).__name__}"
            raise TypeError(message)


def quoted(part: Part) -> str:
    """Return a part of a key without a slash.

    Raises:
        TypeError: its type is none of `Part`.
    """
    check((part,))
    text = quote(str(part.value if isinstance(part, Enum) else part), safe="", errors="surrogatepass")
    # no other part has such a sign
    return text if len(text) <= MAX_PART else f"#{hashlib.sha256(text.encode()).hexdigest()}"
