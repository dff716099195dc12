"""Checks URLs of servers, which hold passwords: their parts must be what they seem to be, and errors never quote them.

Libraries show host and port in their errors. A special character in a password makes a part of it the host or the port.
"""

from urllib.parse import urlsplit

from pydantic import SecretStr

PERCENT_ENCODE = "percent-encode special characters of user and password, such as / as %2F"


def check_redis(value: SecretStr) -> SecretStr:
    """Return the URL of a Redis server.

    Raises:
        ValueError: it has another scheme, or its parts cannot be told apart.
    """
    url = value.get_secret_value()
    if not url.startswith(("redis://", "rediss://")):
        message = "expected redis:// or rediss://"
        raise ValueError(message)
    _check_parts(url)
    return value


def check_broker(value: SecretStr) -> SecretStr:
    """Return the URL of a broker; Celery also takes several, separated by semicolons.

    Raises:
        ValueError: the parts of a URL cannot be told apart.
    """
    for url in value.get_secret_value().split(";"):
        _check_parts(url)
    return value


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
