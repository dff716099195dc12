"""Connects asyncpg as libpq's words ask for: several hosts, TLS, and connections whose server fell silent."""

import random
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import asyncpg  # type: ignore[import-untyped]

from app.platform.db.words import KEEPALIVES, Vocabulary
from app.platform.settings import ConfigError

# asyncpg reads them from its own URL only
_LISTED = """
    gsslib krbsrvname passfile service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcrl sslkey sslmode
    sslnegotiation sslpassword sslrootcert
"""
_OF_ITS_URL = frozenset(_LISTED.split())
# of `asyncpg.connect` and of SQLAlchemy's dialect; both turn text into numbers
_ARGUMENTS = ("command_timeout", "prepared_statement_cache_size")
_HERE = """
    application_name connect_timeout dbname fallback_application_name load_balance_hosts options password
    target_session_attrs user
"""
_WORDS = _OF_ITS_URL.union(_HERE.split(), KEEPALIVES, _ARGUMENTS)
# words that it lacks, with the values that ask for what it does anyway
_IGNORED = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"auto", "utf8", "UTF8", "utf-8", "UTF-8"}),
    "gssdelegation": frozenset({"0"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "replication": frozenset({"false", "off", "no", "0"}),
    "sslcertmode": frozenset({"allow"}),
    "sslcompression": frozenset({"0", "1"}),
    "sslsni": frozenset({"1"}),
}
_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
_INSTEAD = {
    "channel_binding": "remove it and let sslmode=verify-full check the server, or use psycopg",
    "hostaddr": "write the address as host",
    "sslcrldir": "use sslcrl, a file",
    "min_protocol_version": "remove it, asyncpg speaks 3.0",
}


VOCABULARY = Vocabulary("postgresql+asyncpg", _WORDS, _IGNORED, _INSTEAD)


# what asyncpg raises when a connection is lost
BROKEN = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


class NoAnswer(Exception):
    """The server did not answer within the deadline, or its connection broke."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error) or "the server did not answer in time")


def arguments(words: Mapping[str, str], server_settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's connections for words and settings of each session.

    Raises:
        ConfigError: words about TLS would get lost, because asyncpg itself cannot use the system's authorities.
    """
    lost = {"sslcrl", "ssl_min_protocol_version", "ssl_max_protocol_version"}.intersection(words)
    if words.get("sslrootcert") == "system" and lost:
        message = f"DATABASE_URL: the driver asyncpg cannot have {min(lost)} beside sslrootcert=system: name a file"
        raise ConfigError(message)
    sent = {name: words[name] for name in ("application_name", "options") if name in words}
    return {
        "async_creator_fn": partial(connect, words),
        "server_settings": {**server_settings, **sent},
        **{name: words[name] for name in _ARGUMENTS if name in words},
    }


async def connect(
    words: Mapping[str, str],
    *,
    host: str | Sequence[str] | None = None,
    port: int | Sequence[int] | None = None,
    **arguments: Any,
) -> Any:
    """Connect to the first host that answers and is of the kind that `target_session_attrs` asks for.

    As with libpq each host has the whole `connect_timeout`. asyncpg's own list of hosts has one timeout for all, so a
    host that does not answer would use it up.

    Raises:
        OSError: no host answered in time.
        asyncpg.PostgresError: a server refused the connection.
        asyncpg.TargetServerAttributeNotMatched: the last server that answered is of another kind.
    """
    failure: Exception = ConnectionError("no host")
    arguments |= {"timeout": float(words["connect_timeout"]), **_tls(words)}
    for kind, name, number in _attempts(words, host, port):
        try:
            connection = await asyncpg.connect(host=name, port=number, target_session_attrs=kind, **arguments)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
            failure = error
        else:
            _notice_silence(connection, words)
            return connection
    raise failure


def _attempts(
    words: Mapping[str, str], host: str | Sequence[str] | None, port: int | Sequence[int] | None
) -> list[tuple[str | None, str | None, int | None]]:
    """Return the kind of server, host and port of each attempt; those with `prefer-standby` have a second round."""
    hosts: list[tuple[str | None, int | None]]
    if isinstance(host, Sequence) and not isinstance(host, str):
        hosts = list(zip(host, port, strict=True)) if isinstance(port, Sequence) else [(each, port) for each in host]
    else:
        hosts = [(host, port if isinstance(port, int) else None)]
    if words.get("load_balance_hosts") == "random":
        # spreads the load, is no secret
        random.shuffle(hosts)
    wanted = words.get("target_session_attrs")
    kinds = ("standby", "any") if wanted == "prefer-standby" else (wanted,)
    return [(kind, *each) for kind in kinds for each in hosts]


def _tls(words: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that have asyncpg read the words about TLS, Kerberos and files of passwords."""
    of_its_url = {word: value for word, value in words.items() if word in _OF_ITS_URL}
    if words.get("sslrootcert") != "system":
        return {"dsn": f"postgresql://?{urlencode(of_its_url)}"} if of_its_url else {}
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if "sslcert" in words:
        context.load_cert_chain(words["sslcert"], words.get("sslkey"), words.get("sslpassword"))
    rest = {word: value for word, value in of_its_url.items() if not word.startswith("ssl") or word == "sslnegotiation"}
    return {"ssl": context} | ({"dsn": f"postgresql://?{urlencode(rest)}"} if rest else {})


def _notice_silence(connection: Any, words: Mapping[str, str]) -> None:
    """Set the socket's options: asyncpg has none for them, and its transport is the only way to the socket."""
    its_socket = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if its_socket is None or its_socket.family == getattr(socket, "AF_UNIX", None):
        return
    its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(words["keepalives"]))
    for word, name in _SOCKET_OPTIONS.items():
        # 0 means the system's own, and not each system has all of them
        if (value := int(words[word])) and (option := getattr(socket, name, None)) is not None:
            its_socket.setsockopt(socket.IPPROTO_TCP, option, value)
