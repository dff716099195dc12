"""Settings: errors name the missing or malformed variable, and never show its value."""

import errno
import os
from pathlib import Path
from typing import get_type_hints

import pytest

from app.config import Settings, load_settings
from app.platform.settings import AuthSettings, ConfigError, DatabaseSettings, Environment, PoolProfile, load

FORWARDED = "HTTP_FORWARDED_ALLOW_IPS"
GOOD = {"DATABASE_URL": "postgresql://ada:hunter2@db/shop", "AUTH_SECRET_KEY": "k" * 32}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for group in ("DATABASE", "DB", "HTTP", "AUTH", "LOG", "REDIS", "ENVIRONMENT"):
        for name in [name for name in os.environ if name.startswith(group)]:
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_defaults_are_those_of_production() -> None:
    settings = load_settings()
    assert settings.process.environment is Environment.PRODUCTION
    assert settings.process.redis_url is None
    assert settings.database.pool_timeout == 30
    assert settings.database.statement_timeout == 30
    assert settings.auth.access_token_ttl == 15 * 60
    assert settings.auth.refresh_token_ttl == 7 * 24 * 3600
    assert settings.auth.refresh_grace == 10


def test_every_missing_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("AUTH_SECRET_KEY")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    first, second = str(refused.value).splitlines()
    assert first.startswith("DATABASE_URL: Field required (such as postgresql://")
    assert second.startswith("AUTH_SECRET_KEY: Field required (at least 32 random characters)")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CACHE_ENABLED", "true", "needs REDIS_URL"),
        ("CACHE_TIMEOUT", "0", "greater than 0"),
        ("DB_POOL_SIZE", "many", "valid integer"),
        ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
        ("DB_POOL_PROFILE", "huge", "'small', 'medium', 'high' or 'external_pooler'"),
        ("DB_STATEMENT_TIMEOUT", "-1", "greater than 0"),
        ("DB_ECHO", "perhaps", "valid boolean"),
        ("DB_PORT", "hunter2", "valid integer"),
        ("DB_PORT", "70000", "less than or equal to 65535"),
        ("DB_DEAD_PEER_TIMEOUT", "1", "greater than or equal to 6"),
        ("DB_APPLICATION_NAME", "", "in pg_stat_activity"),
        ("HTTP_HOST", "", "at least 1 character"),
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
        ("HTTP_RATE_LIMIT", "often", "such as 600/minute"),
        ("HTTP_CORS_ORIGINS", "https://shop.example,shop.example", "such as https://shop.example"),
        ("AUTH_SECRET_KEY", "too short: hunter2", "at least 32"),
        ("AUTH_OLD_SECRET_KEYS", f"{'k' * 32},too short: hunter2", "at least 32"),
        ("AUTH_OLD_SECRET_KEYS", ",".join(["hunter2" * 5] * 6), "at most 5"),
        ("AUTH_CLOCK_LEEWAY", "-1", "greater than or equal to 0"),
        ("AUTH_HASHING_QUEUE", "0", "greater than or equal to 1"),
        ("HTTP_ACCOUNT_RATE_LIMIT", "often", "such as 20/15 minutes"),
        ("HTTP_DOCS", "perhaps", "valid boolean"),
        ("AUTH_REFRESH_GRACE", "-1", "greater than or equal to 0"),
        ("AUTH_REFRESH_GRACE", "301", "less than or equal to 300"),
        ("AUTH_REFRESH_GRACE", "soon", "seconds in which a used refresh token"),
        ("AUTH_REFRESH_GRACE", "nan", "less than or equal to 300"),
        ("REDIS_URL", "http://hunter2@redis", "such as redis://"),
        ("REDIS_URL", "redis://:hunter2/s@redis:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://:hunter2#s@redis:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://:12?hunter2@redis:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://hunter2:12/34@redis:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://redis:hunter2/0", "percent-encode"),
        ("REDIS_URL", "redis://:hunter2@[::1:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://:hunter2@a:6379,b:6379/0", "percent-encode"),
        ("REDIS_URL", "redis://:hunter2@redis:0/0", "the port is 0"),
        ("REDIS_URL", "redis://:hunter2@redis/shop", "only the number of a database"),
        ("REDIS_URL", "redis://:hunter2@redis/0/1", "only the number of a database"),
        ("REDIS_URL", "redis:////run/redis.sock", "only the number of a database"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?max_connections=many", "'max_connections'"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?max_connections=-1", "positive integer"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?max_conections=20", "'max_conections'"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?ssl_cert_reqs=none", "'ssl_cert_reqs'"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?retry=3", "the options after"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?encoding=foo", "unknown encoding: foo"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/0?credential_provider=x", "credential_provider cannot be part"),
        ("REDIS_URL", "rediss://:hunter2@redis:6379/0?ssl_cert_reqs=bogus", "bogus"),
        ("LOG_LEVEL", "LOUD", "DEBUG|INFO"),
        ("LOG_JSON", "maybe", "valid boolean"),
        ("ENVIRONMENT", "staging", "'development' or 'production'"),
    ],
)
def test_malformed_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    message = str(refused.value)
    assert message.startswith(f"{variable}: ")
    assert expected in message
    assert "hunter2" not in message
    assert "\n" not in message


def test_no_time_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an endless lifetime of refresh tokens the service would start, and nobody could sign in."""
    groups = [kind for kind in get_type_hints(Settings).values() if "env_prefix" in kind.model_config]
    times = [
        f"{kind.model_config['env_prefix']}{name}".upper()
        for kind in groups
        for name, field in kind.model_fields.items()
        if "float" in str(field.annotation)
    ]
    assert {"AUTH_REFRESH_TOKEN_TTL", "DB_POOL_RECYCLE", "HTTP_KEEP_ALIVE"} <= set(times)
    for variable in times:
        monkeypatch.setenv(variable, "inf")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert {line.partition(":")[0] for line in str(refused.value).splitlines()} == set(times)


def test_settings_come_from_a_file_too_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DB_POOL_SIZE=7\nDB_MAX_OVERFLOW=3\nUNKNOWN=1\n")
    monkeypatch.setenv("DB_POOL_SIZE", "9")
    database = load(DatabaseSettings)
    assert (database.pool_size, database.max_overflow) == (9, 3)
    assert database.pool_profile in PoolProfile


@pytest.mark.parametrize(
    ("content", "expected"), [("NAME=Größe".encode("latin-1"), "UTF-8"), (b"LOG_LEVEL=INFO", "Permission denied")]
)
def test_file_that_cannot_be_read_is_named_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, expected: str
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    file.chmod(0o600)
    if expected != "UTF-8":
        # root may read everything
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

        monkeypatch.setattr("dotenv.main.open", refuse, raising=False)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{file}: ")
    assert str(refused.value).endswith(expected)
    assert "\n" not in str(refused.value)


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_CORS_ORIGINS", "https://shop.example, http://localhost:5173,")
    assert load_settings().http.cors_origins == ("https://shop.example", "http://localhost:5173")


def test_group_can_be_read_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTH_SECRET_KEY")
    load(DatabaseSettings)
    with pytest.raises(ConfigError):
        load(AuthSettings)


def test_secrets_do_not_show() -> None:
    assert "hunter2" not in repr(load_settings())
    assert "kkk" not in repr(load_settings())


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(DatabaseSettings).pool_timeout = 1.0


def refusal_of_proxies(monkeypatch: pytest.MonkeyPatch, value: str) -> str:
    monkeypatch.setenv(FORWARDED, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{FORWARDED}: ")
    return line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "write the addresses of your proxies, or 127.0.0.1"),
        (" , ", "write the addresses of your proxies, or 127.0.0.1"),
        ("a;b", "entry 1 is neither an IP address nor a network: write such as 10.0.0.0/8,192.0.2.7"),
        ("10.0.0.0/33", "entry 1 is neither"),
        ("10.0.0.1;10.0.0.2", "entry 1 is neither"),
        ("10.0.0.1 10.0.0.2", "entry 1 is neither"),
        ("127.0.0.1,proxy.internal", "entry 2 is neither"),
        ("127.0.0.1:8000", "entry 1 is neither"),
        ("[::1]", "entry 1 is neither"),
        ("010.0.0.1", "entry 1 is neither"),
        ("10.0.0.1,*", "entry 2 is neither"),
        ("unix:/run/service.sock", "entry 1 is neither"),
        ("::1,fe80::1%eth0", "entry 2 has a zone, which would match no proxy: write fe80::1"),
        ("fe80::%eth0/64", "write fe80::/64"),
        ("192.0.2.7,10.0.0.1/8", "entry 2 is an address inside a network: write 10.0.0.0/8, or the address"),
        ("2001:db8::1/64", "write 2001:db8::/64, or the address"),
    ],
)
def test_malformed_proxy_is_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: str
) -> None:
    assert expected in refusal_of_proxies(monkeypatch, value)


@pytest.mark.parametrize(
    "value",
    ["*", " * ", "0.0.0.0/0", "0.0.0.0/7,2.0.0.0/7", "::/0", "127.0.0.1,0.0.0.0/1,128.0.0.0/1", "::ffff:0:0/96"],
)
def test_everyone_may_be_a_proxy_in_development_only(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    line = refusal_of_proxies(monkeypatch, value)
    assert "clients could choose their own address" in line
    assert "write the addresses or networks of your proxies" in line
    monkeypatch.setenv("ENVIRONMENT", Environment.DEVELOPMENT)
    assert load_settings().http.forwarded_allow_ips == value.strip()


def test_refused_proxies_are_reported_with_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORWARDED, "*")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert {line.partition(":")[0] for line in str(refused.value).splitlines()} == {FORWARDED, "LOG_LEVEL"}


@pytest.mark.parametrize(
    "value", ["127.0.0.1", "10.0.0.0/8,192.0.2.7", "fc00::/7", "::1,2001:db8::/32", "10.0.0.0/255.0.0.0", "fe80::1"]
)
def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(FORWARDED, f" {value.replace(',', ' , ')},")
    assert load_settings().http.forwarded_allow_ips == value
