"""Groups of settings that owners add, of every shape that pydantic-settings knows: errors are lines, no tracebacks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from app.platform.settings import ConfigError, PlatformSettings, from_environment, group, read

SEARCH = {"SEARCH_HOST": "db", "SEARCH_TOKEN": "t", "SEARCH_RETRIES": "1", "SEARCH_PORTS": "[1, 2]"}


class SearchSettings(BaseSettings):
    """Where the search is."""

    model_config = from_environment("SEARCH_")

    hosts: str = Field(validation_alias="SEARCH_HOST", description="such as search.example")
    token: SecretStr = Field(validation_alias=AliasChoices("SEARCH_TOKEN", "LEGACY_TOKEN"))
    retries: int = 0
    ports: list[int] = []

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.retries and self.hosts == "none":
            message = "nothing to retry"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class OwnSettings(PlatformSettings):
    """The settings of a service with a search."""

    search: SearchSettings = group(SearchSettings)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"DATABASE_URL": "postgresql://ada:hunter2@db/shop", "AUTH_SECRET_KEY": "k" * 32, **SEARCH}
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def test_group_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(OwnSettings).search.ports == [1, 2]
    monkeypatch.delenv("SEARCH_TOKEN")
    monkeypatch.setenv("LEGACY_TOKEN", "old")
    assert read(OwnSettings).search.token.get_secret_value() == "old"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SEARCH_HOST", None, "SEARCH_HOST: Field required (such as search.example)"),
        ("SEARCH_TOKEN", None, "SEARCH_TOKEN: Field required"),
        ("SEARCH_RETRIES", "hunter2", "SEARCH_RETRIES: Input should be a valid integer"),
        ("SEARCH_HOST", "none", "SearchSettings: Value error, nothing to retry"),
        ("SEARCH_PORTS", "hunter2", "SEARCH_PORTS: Input should be JSON"),
        ("SEARCH_PORTS", '["hunter2"]', "SEARCH_PORTS: Input should be a valid integer"),
    ],
)
def test_error_is_a_line(monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, expected: str) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refused:
        read(OwnSettings)
    message = str(refused.value)
    assert message.startswith(expected)
    assert "hunter2" not in message
    assert "\n" not in message


@dataclass(frozen=True, slots=True)
class FlatSettings(PlatformSettings):
    """Settings with a variable that is in no group."""

    name: str = "moin"


def test_field_that_is_no_group_is_refused() -> None:
    with pytest.raises(TypeError, match=r"FlatSettings\.name is no group of settings; put it into one"):
        read(FlatSettings)
