"""Checks URLs of servers, which hold passwords: their parts must be what they seem to be, and errors never quote them.

Libraries show host and port in their errors. A special character in a password makes a part of it the host or the port.
"""

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

_DATABASE = re.compile(r"/*[0-9]*/?\s*")
# options of redis-py that need an object of Python's
_OBJECTS = {"credential_provider", "redis_connect_func"}

PERCENT_ENCODE = "percent-encode special characters of user and password, such as / as %2F"


def check_redis(value: SecretStr) -> SecretStr:
    """Return the URL of a Redis server.

    Raises:
        ValueError: it has another scheme, its parts cannot be told apart, or redis-py does not know an option in it.
    """
    url = value.get_secret_value()
    if not url.startswith(("redis://", "rediss://")):
        message = "expected redis:// or rediss://"
        raise ValueError(message)
    _check_parts(url)
    _check_options(url)
    return value


def check_broker(value: SecretStr) -> SecretStr:
    """Return the URL of a broker; Celery also takes several, separated by semicolons.

    Raises:
        ValueError: the parts of a URL cannot be told apart.
    """
    for url in value.get_secret_value().split(";"):
        _check_parts(url)
    return value


def joined(parts: Mapping[str, str | None]) -> str | None:
    """Return the URL of a database whose parts are given singly; `None` if there are too few of them."""
    if not (parts.get("host") and parts.get("name")):
        return None
    named = {"host": "host", "port": "port", "user": "user", "password": "password", "name": "dbname"}
    query = urlencode({word: parts[part] for part, word in named.items() if parts.get(part)})
    return "&".join([f"postgresql://?{query}", *filter(None, [parts.get("query")])])


def join_parts(values: Mapping[str, Any], variable: str) -> dict[str, Any]:
    """Return the fields of `DatabaseSettings` before they are validated, with the URL that their parts stand for."""
    fields = {name: value for name, value in values.items() if value != "" or name not in {"url", variable}}
    # what Kubernetes and Docker set for a service called `db`
    if str(fields.get("port", "")).startswith("tcp://"):
        del fields["port"]
    if "url" in fields or variable in fields:
        return fields
    password = fields.get("password")
    text = password.get_secret_value() if isinstance(password, SecretStr) else password
    url = joined(fields | {"password": text})
    return fields | ({"url": url} if url else {})


class DatabaseParts(BaseSettings):
    """The parts of a database's URL, each a variable of its own."""

    host: str | None = Field(default=None, description="instead of DATABASE_URL: its parts, as they are")
    port: int | None = Field(default=None, ge=1, le=65_535)
    user: str | None = None
    password: SecretStr | None = None
    name: str | None = Field(default=None, description="of the database")
    query: str | None = Field(default=None, description="such as sslmode=verify-full&sslrootcert=system")

    @model_validator(mode="before")
    @classmethod
    def _join_parts(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        # a further database has a variable of its own
        return join_parts(values, cls.model_fields["url"].alias or "url")

    def elsewhere(self, url: SecretStr) -> Self:
        """Return the same settings for a database at this URL, of which the parts say nothing."""
        return self.model_copy(update=dict.fromkeys(DatabaseParts.model_fields) | {"url": url})

    def parts(self) -> dict[str, str | None]:
        """Return the parts that were given instead of the URL, or beside it."""
        password = self.password.get_secret_value() if self.password else None
        port = str(self.port) if self.port else None
        return {"host": self.host, "port": port, "user": self.user, "password": password, "name": self.name} | {
            "query": self.query
        }


def _check_parts(url: str) -> None:
    """Raise `ValueError` when a part of a password is parsed as another part."""
    try:
        parts = urlsplit(url)
        # a port that is no number raises
        misplaced = parts.port is not None and not parts.hostname
    except ValueError:
        raise ValueError(PERCENT_ENCODE) from None
    if misplaced or parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(PERCENT_ENCODE)
    is_redis = parts.scheme in {"redis", "rediss"}
    if parts.port == 0:
        message = "the port is 0"
        raise ValueError(message)
    if is_redis and not _DATABASE.fullmatch(unquote(parts.path)) and "db" not in parse_qs(parts.query):
        # redis-py would use the database 0
        message = "after the host, only the number of a database may follow, such as /0"
        raise ValueError(message)


def _check_options(url: str) -> None:
    """Raise `ValueError` when redis-py would raise an error at the start, or at each request, for what is after `?`."""
    # imported late, because a service without Redis does not need it
    from redis.asyncio import ConnectionPool  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    if given := _OBJECTS & parse_qs(urlsplit(url).query).keys():
        message = f"the options after `?`: {', '.join(sorted(given))} cannot be part of a URL"
        raise ValueError(message)
    try:
        pool: Any = ConnectionPool.from_url(url)
        # this opens no connection
        connection = pool.make_connection()
        connection.encoder.encode("text")
    except (RedisError, TypeError, ValueError, LookupError) as error:
        message = f"the options after `?`: {error}"
        raise ValueError(message) from None
    except (AttributeError, NameError):
        # redis-py's own mistakes in handling a value that it does not expect, such as `retry=3`
        message = "the options after `?`: redis-py cannot use the value of one of them"
        raise ValueError(message) from None
