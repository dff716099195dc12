"""libpq's connection words: what `DATABASE_URL` may have after its `?`, with either driver.

docs/database-url.md has them in a table.
"""

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.platform.settings import ConfigError, DatabaseSettings, PoolProfile

KEEPALIVES = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

# of libpq 18, and two of asyncpg's dialect
_LISTED = """
    application_name channel_binding client_encoding command_timeout connect_timeout dbname fallback_application_name
    gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval
    krbsrvname load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret
    oauth_issuer oauth_scope options passfile password port prepared_statement_cache_size replication require_auth
    requirepeer scram_client_key scram_server_key service ssl_max_protocol_version ssl_min_protocol_version sslcert
    sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert
    sslsni target_session_attrs tcp_user_timeout user
"""
KNOWN = frozenset(_LISTED.split())
_SECRET = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
_CHOICES = {
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
# connecting must have an end: to libpq a `connect_timeout` of 0 means to wait forever
_LEAST = dict.fromkeys(KEEPALIVES, 0) | {"connect_timeout": 1, "prepared_statement_cache_size": 0}
# PostgreSQL cuts longer names off
_LONGEST_NAME = 63
_SETTING = re.compile(r"(?:^|(?<!\\)\s)(?:-c\s*|--)([\w.-]+)=")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a driver understands.

    Attributes:
        drivername: the scheme of SQLAlchemy's URL.
        words: the words it understands.
        ignored: further words, and their values that ask for what the driver does anyway.
        instead: what to do without a word that it lacks.
    """

    drivername: str
    words: frozenset[str]
    ignored: Mapping[str, frozenset[str]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)


def check(given: Mapping[str, str], vocabulary: Vocabulary) -> dict[str, str]:
    """Return the words that the driver is to get.

    Raises:
        ConfigError: a word is unknown, the driver lacks it, or its value is malformed. The message shows no value.
    """
    words = {}
    for word, value in given.items():
        if word not in KNOWN | vocabulary.words:
            raise ConfigError(f"DATABASE_URL: {_unknown(word, given)}")
        if word in vocabulary.words:
            _check_value(word, value)
            words[word] = value
        elif value not in vocabulary.ignored.get(word, ()):
            driver, instead = vocabulary.drivername.partition("+")[2], vocabulary.instead.get(word, "remove it")
            message = f"DATABASE_URL: the driver {driver} cannot do what {word} asks for: {instead}"
            raise ConfigError(message)
    if words.get("sslrootcert") == "system" and words.setdefault("sslmode", "verify-full") != "verify-full":
        message = "DATABASE_URL: sslrootcert=system needs sslmode=verify-full"
        raise ConfigError(message)
    return words


def server_settings(settings: DatabaseSettings) -> dict[str, str]:
    """Return the settings of each session, which the server enforces. PgBouncer knows the time zone only."""
    in_utc = {"timezone": "UTC"}
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return in_utc
    # in milliseconds
    return in_utc | {
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_timeout * 1000:.0f}",
    }


def with_defaults(words: Mapping[str, str], settings: DatabaseSettings) -> dict[str, str]:
    """Return the words of the URL, and the service's own for those that the URL does not have.

    Raises:
        ConfigError: the URL and a variable say different things.
    """
    for name in _settings_in(words.get("options", "")):
        if name in server_settings(settings):
            variable = "always UTC" if name == "timezone" else f"DB_{name.replace('_session', '')}".upper()
            message = f"DATABASE_URL: options may not set {name}, which is {variable}: remove it from options"
            raise ConfigError(message)
    timeout = settings.connect_timeout
    default = DatabaseSettings.model_fields["connect_timeout"].default
    if timeout not in {default, float(words.get("connect_timeout", timeout))}:
        message = "DATABASE_URL: connect_timeout is not that of DB_CONNECT_TIMEOUT: remove one of them"
        raise ConfigError(message)
    name = words.get("fallback_application_name") or application_name(settings)
    return {"application_name": name, "connect_timeout": f"{timeout:g}"} | _keepalives(settings) | dict(words)


def application_name(settings: DatabaseSettings) -> str:
    """Return the name that `pg_stat_activity` shows: service, command and number of the process."""
    path, *arguments = sys.argv or [""]
    command = Path(path).stem
    if command == "__main__":
        # `python -m app worker`, or `python -m uvicorn`
        package = Path(path).parent.name
        command = arguments[0] if package == "app" and arguments else package
    process = f" {command[:20]} {os.getpid()}"
    return settings.application_name[: _LONGEST_NAME - len(process)] + process


def _keepalives(settings: DatabaseSettings) -> dict[str, str]:
    """Return the words with which the kernel gives up a silent server after `DB_DEAD_PEER_TIMEOUT`.

    A connection that waits is probed after a third of the time, and four times in the rest of it. Of data that were
    sent the kernel waits the whole time for a confirmation.
    """
    seconds = settings.dead_peer_timeout
    numbers = (1, round(seconds / 3), round(seconds / 6), 4, round(seconds * 1000))
    return {word: str(number) for word, number in zip(KEEPALIVES, numbers, strict=True)}


def _unknown(word: str, given: Mapping[str, str]) -> str:
    """Return the complaint; it shows no word that may be the end of a password with an `&` in it."""
    similar = difflib.get_close_matches(word, sorted(KNOWN), n=1)
    hint = f", did you mean {similar[0]}?" if similar else " (docs/database-url.md lists them)"
    is_plain = re.fullmatch(r"[a-z_]{1,40}", word) and not _SECRET.intersection(given)
    return f"unknown word {word if is_plain else 'after the ?'}{hint}"


def _check_value(word: str, value: str) -> None:
    if word in _CHOICES and value not in _CHOICES[word]:
        message = f"DATABASE_URL: {word} must be one of {', '.join(_CHOICES[word])}"
        raise ConfigError(message)
    if word in _LEAST and not (value.isascii() and value.isdecimal() and int(value[:12]) >= _LEAST[word]):
        message = f"DATABASE_URL: {word} must be a whole number from {_LEAST[word]}"
        raise ConfigError(message)
    # libpq would go on without the check that the file is for
    if word in FILES and value != "system" and not os.access(value, os.R_OK):
        message = f"DATABASE_URL: the file of {word} cannot be read"
        raise ConfigError(message)


def _settings_in(options: str) -> Iterator[str]:
    """Yield the names of the server's settings in `-c name=value`, `-cname=value` and `--name=value`."""
    for match in _SETTING.finditer(options):
        yield match[1].replace("-", "_").lower()
