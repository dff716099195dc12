"""A database that is given in parts instead of `DATABASE_URL`."""

import os
from pathlib import Path

import pytest

from app.platform.db import address, connecting, driver
from app.platform.settings import ConfigError, DatabaseSettings, load


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hunter2@db/shop")


PARTS = {"DB_HOST": "db", "DB_NAME": "shop", "DB_USER": "ada", "DB_PASSWORD": "hunter2"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("password", ["hunter2", "p@ss:w/o?r#d&%=1 +", "ü,;'\"\\"])
@pytest.mark.parametrize("given", [None, ""])
def test_database_can_be_given_in_parts(monkeypatch: pytest.MonkeyPatch, password: str, given: str | None) -> None:
    monkeypatch.delenv("DATABASE_URL")
    set_all(monkeypatch, PARTS | {"DB_PORT": "5433", "DB_PASSWORD": password})
    if given is not None:
        # as compose files have it: ${DATABASE_URL:-}
        monkeypatch.setenv("DATABASE_URL", given)
    settings = load(DatabaseSettings)
    url = driver.url(settings)
    assert (url.username, url.password, url.host, url.port, url.database) == ("ada", password, "db", 5433, "shop")
    assert password not in repr(settings)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("db", "ada:***@db/shop"),
        ("::1", "ada:***@[::1]/shop"),
        ("/run/postgresql", "ada:***@/shop?host=/run/postgresql&port=5432"),
        ("one:1,two:2", "ada:***@/shop?host=one,two&port=1,2"),
    ],
)
def test_parts_may_have_any_host_and_words(monkeypatch: pytest.MonkeyPatch, host: str, shown: str) -> None:
    monkeypatch.delenv("DATABASE_URL")
    set_all(monkeypatch, PARTS | {"DB_HOST": host, "DB_QUERY": "sslmode=require&application_name=x%20y"})
    url, words = address.read(load(DatabaseSettings), connecting.VOCABULARY)
    assert address.redacted(url).partition("://")[2] == shown
    assert words == {"sslmode": "require", "application_name": "x y"}


@pytest.mark.parametrize("missing", ["DB_HOST", "DB_NAME"])
def test_parts_that_are_too_few_are_refused(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv("DATABASE_URL")
    set_all(monkeypatch, {name: value for name, value in PARTS.items() if name != missing})
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: Field required \(such as .*, or DB_HOST and DB_NAME\)$"):
        load(DatabaseSettings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DB_HOST", "other"),
        ("DB_PORT", "5433"),
        ("DB_USER", "grace"),
        ("DB_PASSWORD", "hunter3"),
        ("DB_NAME", "other"),
        ("DB_QUERY", "sslmode=require"),
    ],
)
def test_url_and_parts_that_contradict_it_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    set_all(monkeypatch, PARTS | {variable: value})
    with pytest.raises(ConfigError) as refused:
        driver.url(load(DatabaseSettings))
    assert str(refused.value).startswith(f"DATABASE_URL: {variable} says something else: set DATABASE_URL, or ")
    assert "hunter" not in str(refused.value)


def test_url_may_be_made_of_parts_that_are_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # as in a manifest: DATABASE_URL=postgresql://$(DB_USER):$(DB_PASSWORD)@db/shop
    set_all(monkeypatch, PARTS)
    assert driver.url(load(DatabaseSettings)).host == "db"


def test_variables_of_kubernetes_for_a_service_called_db_are_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PORT", "tcp://10.0.0.7:5432")
    url = driver.url(load(DatabaseSettings))
    assert (url.host, url.port) == ("db", None)
