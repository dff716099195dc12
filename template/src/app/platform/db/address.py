"""`DATABASE_URL`: reading it, and showing it without its secrets."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.platform.settings import ConfigError, DatabaseSettings


def read(settings: DatabaseSettings, drivername: str) -> URL:
    """Return `DATABASE_URL` with this driver in it.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver; only the scheme of its value is repeated.
    """
    try:
        given = make_url(settings.url.get_secret_value())
    except (ArgumentError, ValueError):
        # ValueError: what stands where the port is expected is no number, and may be a part of the password
        message = "DATABASE_URL: not a URL (such as postgresql://user:password@host:5432/name)"
        raise ConfigError(message) from None
    if given.drivername not in {"postgres", "postgresql", drivername}:
        message = f"DATABASE_URL: expected postgresql:// or {drivername}://, not {given.drivername}://"
        raise ConfigError(message)
    if "@" in f"{given.host}{given.database}":
        # a part of the password was read as the host or the database, which errors of the drivers show
        message = "DATABASE_URL: percent-encode special characters of user and password, such as @ as %40"
        raise ConfigError(message)
    return given.set(drivername=drivername)


def shown(url: URL) -> str:
    """Return the URL for errors and logs: without the password, and without the query, which may hold another one."""
    query = {key: value for key, value in url.query.items() if key in {"host", "port"}}
    return url.set(query=query).render_as_string(hide_password=True)
