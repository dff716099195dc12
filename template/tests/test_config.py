"""Settings: what is missing or malformed names itself, and never shows its value."""

import os
from pathlib import Path

import pytest

from app.config import (
    AuthSettings,
    ConfigError,
    DatabaseSettings,
    Environment,
    PoolProfile,
    load,
    load_settings,
)

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
        ("DB_POOL_SIZE", "many", "valid integer"),
        ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
        ("DB_POOL_PROFILE", "huge", "'small', 'medium', 'high' or 'external_pooler'"),
        ("DB_STATEMENT_TIMEOUT", "-1", "greater than 0"),
        ("DB_ECHO", "perhaps", "valid boolean"),
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
        ("HTTP_RATE_LIMIT", "often", "such as 600/minute"),
        ("HTTP_CORS_ORIGINS", "https://shop.example,shop.example", "such as https://shop.example"),
        ("AUTH_SECRET_KEY", "too short: hunter2", "at least 32"),
        ("AUTH_REFRESH_GRACE", "-1", "greater than or equal to 0"),
        ("AUTH_REFRESH_GRACE", "301", "less than or equal to 300"),
        ("AUTH_REFRESH_GRACE", "soon", "seconds in which a used refresh token"),
        ("AUTH_REFRESH_GRACE", "nan", "less than or equal to 300"),
        ("REDIS_URL", "http://hunter2@redis", "such as redis://"),
        ("LOG_LEVEL", "LOUD", "DEBUG|INFO"),
        ("LOG_JSON", "maybe", "valid boolean"),
        ("ENVIRONMENT", "staging", "'development' or 'production'"),
    ],
)
def test_malformed_variable_names_itself(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    message = str(refused.value)
    assert message.startswith(f"{variable}: ")
    assert expected in message
    assert "hunter2" not in message
    assert "\n" not in message


def test_settings_come_from_a_file_too_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DB_POOL_SIZE=7\nDB_MAX_OVERFLOW=3\nUNKNOWN=1\n")
    monkeypatch.setenv("DB_POOL_SIZE", "9")
    database = load(DatabaseSettings)
    assert (database.pool_size, database.max_overflow) == (9, 3)
    assert database.pool_profile in PoolProfile


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
