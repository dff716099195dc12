"""Read `DATABASE_URL`, and show it without its secrets."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.platform import urls
from app.platform.db import words
from app.platform.db.words import Vocabulary
from app.platform.settings import ConfigError, DatabaseSettings

DEFAULT_PORT = "5432"

Host = tuple[str, str]

# scheme and user, hosts, the rest; as SQLAlchemy's own expression, for which there is only one host
_SEVERAL_HOSTS = re.compile(r"(\w[\w+]*://(?:[^:/@]*(?::[^@]*)?@)?)([^/?@]*,[^/?@]*)(.*)", re.DOTALL)
# libpq's names, and those of others
_ALIASES = {"ssl": "sslmode", "database": "dbname"}


def read(settings: DatabaseSettings, vocabulary: Vocabulary) -> tuple[URL, dict[str, str]]:
    """Return the URL with this driver, and the words of libpq that were in its query.

    The query of the result only has what the URL's other parts cannot hold: several hosts, or the directory of a
    Unix socket. It has them as `host=one,two` and `port=5432,5432`.

    Raises:
        ConfigError: it is not a PostgreSQL URL, names another driver, or has words that the driver cannot understand.
            The message shows no part of it that may be secret.
    """
    text = settings.url.get_secret_value()
    several = _SEVERAL_HOSTS.fullmatch(text)
    given = _parse(several[1] + several[3] if several else text)
    if given.drivername not in {"postgres", "postgresql", vocabulary.drivername}:
        message = f"DATABASE_URL: expected postgresql:// or {vocabulary.drivername}://"
        raise ConfigError(message)
    if text.count("@") > 1 or "@" in f"{given.host}{given.database}":
        # a part of the password was parsed as host, database or query, which drivers show in their errors
        message = "DATABASE_URL: percent-encode special characters of user and password, such as @ as %40"
        raise ConfigError(message)
    query = {_ALIASES.get(word, word): value for word, value in given.query.items()}
    hosts = _hosts(given, several[2] if several else None, texts(query.pop("host", ())), texts(query.pop("port", ())))
    single = {word: _only(word, value) for word, value in query.items()}
    if single.get("sslmode") in {"true", "True"}:
        # as in URLs of JDBC, which libpq understands, too
        single["sslmode"] = "require"
    found = words.check(single, vocabulary)
    of_url = {"username": "user", "password": "password", "database": "dbname"}
    parts: dict[str, Any] = {part: found.pop(word) for part, word in of_url.items() if word in found}
    url = at(given.set(drivername=vocabulary.drivername, **parts), hosts)
    _refuse_contradictions(settings, url)
    return url, found


def redacted(url: URL) -> str:
    """Return the URL for errors and logs: without the password, and with only host and port of the query.

    The query may hold a password, too.
    """
    query = [f"{word}={url.query[word]}" for word in ("host", "port") if word in url.query]
    return "?".join([url.set(query={}).render_as_string(hide_password=True), *(["&".join(query)] if query else [])])


def _parse(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # ValueError: the port is not a number, and may be a part of the password
        message = "DATABASE_URL: not a URL (such as postgresql://user:password@host:5432/name)"
        raise ConfigError(message) from None


def texts(value: str | Sequence[str]) -> list[str]:
    """Return the values of a word that may be given repeatedly, or as a list with commas."""
    return ",".join([value] if isinstance(value, str) else value).split(",") if value else []


def _only(word: str, value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    message = f"DATABASE_URL: {word if word in words.KNOWN else 'a word'} is given repeatedly"
    raise ConfigError(message)


def _hosts(given: URL, several: str | None, named: list[str], ports: list[str]) -> list[Host]:
    """Return each host with its port, which may be empty. As with libpq, the words `host` and `port` win."""
    if named:
        hosts = [_split(host) for host in named]
    elif several:
        hosts = [_split(unquote(host)) for host in several.split(",")]
    else:
        hosts = [(unquote(given.host or ""), str(given.port or ""))]
    if ports:
        if len(ports) not in {1, len(hosts)} or (named and any(port for _, port in hosts)):
            message = "DATABASE_URL: give one port, or one for each host, and each of them once"
            raise ConfigError(message)
        ports = ports if len(ports) == len(hosts) else ports * len(hosts)
        hosts = [(host, port) for (host, _), port in zip(hosts, ports, strict=True)]
    if not all(_is_port(port) for _, port in hosts) or (len(hosts) > 1 and not all(host for host, _ in hosts)):
        message = "DATABASE_URL: a host is empty, or a port is not a number from 1 to 65535"
        raise ConfigError(message)
    return hosts


def _split(text: str) -> Host:
    """Return host and port of `host`, `host:port`, `[::1]:port`, `::1` or the directory of a Unix socket."""
    if bracketed := re.fullmatch(r"\[(.*)\](?::(.*))?", text):
        return bracketed[1], bracketed[2] or ""
    host, _, port = text.partition(":")
    return (text, "") if text.startswith("/") or ":" in port else (host, port)


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 1 << 16)


def at(url: URL, hosts: Sequence[Host]) -> URL:
    """Return the URL with these hosts, and without a query but for them."""
    without = URL.create(url.drivername, url.username, url.password, database=url.database)
    (host, port), *others = hosts
    if not others and not host.startswith("/"):
        return without.set(host=host, port=int(port) if port else None)
    names, ports = zip(*hosts, strict=True)
    return without.set(query={"host": ",".join(names), "port": ",".join(port or DEFAULT_PORT for port in ports)})


def _refuse_contradictions(settings: DatabaseSettings, url: URL) -> None:
    """Refuse `DB_HOST` and the others beside a `DATABASE_URL` that says something else."""
    parts = settings.parts()
    if settings.url.get_secret_value() == urls.joined(parts):
        return
    query = url.query
    of_url = {"host": query.get("host", url.host), "port": query.get("port", str(url.port or "")), "query": None}
    of_url |= {"user": url.username, "password": url.password, "name": url.database}
    for name, value in parts.items():
        if value not in {None, "", of_url[name]}:
            variable = f"DB_{name.upper()}"
            message = f"DATABASE_URL: {variable} says something else: set DATABASE_URL, or the variables of its parts"
            raise ConfigError(message)
