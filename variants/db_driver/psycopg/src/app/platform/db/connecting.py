"""Connects psycopg as libpq's words ask for, which libpq itself does."""

import math
from collections.abc import Mapping
from typing import Any

from psycopg import pq

from app.platform.db.words import Vocabulary

# the words of the libpq that is in use: an older one has fewer
VOCABULARY = Vocabulary(
    "postgresql+psycopg", frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
)


def arguments(words: Mapping[str, str], server_settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's connections for words and settings of each session."""
    # libpq accepts only whole seconds, and treats 1 as 2
    timeout = math.ceil(float(words["connect_timeout"]))
    options = [f"-c {name}={value}" for name, value in server_settings.items()]
    options += [words["options"]] if "options" in words else []
    return {**words, "connect_timeout": timeout} | ({"options": " ".join(options)} if options else {})
