"""Read `DATABASE_URL`, and show it without its secrets."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.platform.settings import ConfigError, DatabaseSettings


def read(settings: DatabaseSettings, drivername: str) -> URL:
    """Return `DATABASE_URL` with this driver.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver. The message shows no part of it.
    """
    try:
        text = settings.url.get_secret_value()
        given = make_url(text)
    except (ArgumentError, ValueError):
        # ValueError: the port is not a number, and may be a part of the password
        message = "DATABASE_URL: not a URL (such as postgresql://user:password@host:5432/name)"
        raise ConfigError(message) from None
    if given.drivername not in {"postgres", "postgresql", drivername}:
        message = f"DATABASE_URL: expected postgresql:// or {drivername}://"
        raise ConfigError(message)
    if text.count("@") > 1 or "@" in f"{given.host}{given.database}":
        # a part of the password was parsed as host, database or query, which drivers show in their errors
        message = "DATABASE_URL: percent-encode special characters of user and password, such as @ as %40"
        raise ConfigError(message)
    return given.set(drivername=drivername)


def redacted(url: URL) -> str:
    """Return the URL for errors and logs: without the password, and with only host and port of the query.

    The query may hold a password, too.
    """
    query = {key: value for key, value in url.query.items() if key in {"host", "port"}}
    return url.set(query=query).render_as_string(hide_password=True)
