"""The casts of parameters: to the type of a column, but without its length, digits or precision.

A cast rounds numbers and moments, and cuts texts off, without an error. So `price = :price` would find other prices,
and an array of texts that are too long for its column would be stored in part.
"""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.types import TypeEngine

_LIMITED = re.compile(
    r"^::(BIT VARYING|BIT|CHAR|DECIMAL|INTERVAL|NUMERIC|TIMESTAMP|TIME|VARCHAR)"
    r"(?:(?<=INTERVAL)[ A-Z]+)? ?(?:\([\d, ]+\))?(?=$| |\[)"
)
# these names alone mean one bit and one character
_UNLIMITED = {"BIT": '"bit"', "CHAR": "BPCHAR"}


class _Compiler(PGCompiler):
    """Writes casts without limits."""

    def render_bind_cast(self, type_: TypeEngine[Any], dbapi_type: TypeEngine[Any], sqltext: str) -> str:
        return sqltext + _without_limits(super().render_bind_cast(type_, dbapi_type, ""))  # type: ignore[no-untyped-call]


# asked for each item of a list
@lru_cache(maxsize=1000)
def _without_limits(cast: str) -> str:
    return _LIMITED.sub(lambda found: f"::{_UNLIMITED.get(found[1], found[1])}", cast)


def attach(engine: Engine) -> None:
    """Cast the parameters of this engine's statements to types without limits."""
    dialect: Any = engine.dialect
    dialect.statement_compiler = type("Compiler", (_Compiler, dialect.statement_compiler), {})
