"""The settings of payments: an error names the variable."""

import os
from pathlib import Path

import pytest

from app.config import load_settings
from app.platform.settings import ConfigError

GOOD = {"DATABASE_URL": "postgresql://ada:hunter2@db/shop", "AUTH_SECRET_KEY": "k" * 32}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("DATABASE", "DB", "AUTH", "TASKS", "PAYMENTS"))]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_there_are_no_receivers_by_default() -> None:
    payments = load_settings().payments
    assert payments.webhook_urls == ()
    assert (payments.webhook_timeout, payments.unpaid_after) == (10, 7 * 24 * 3600)


def test_receivers_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_WEBHOOK_URLS", "https://one.example/receipts?x=1, http://localhost:8080,")
    assert load_settings().payments.webhook_urls == ("https://one.example/receipts?x=1", "http://localhost:8080")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PAYMENTS_WEBHOOK_URLS", "ftp://one.example/receipts", "such as https://accounting.example/receipts"),
        ("PAYMENTS_WEBHOOK_URLS", "https://one.example/a,two.example", "such as https://accounting.example/receipts"),
        ("PAYMENTS_WEBHOOK_URLS", "https://one.example/a b", "such as https://accounting.example/receipts"),
        ("PAYMENTS_WEBHOOK_TIMEOUT", "0", "greater than 0"),
        ("PAYMENTS_UNPAID_AFTER", "never", "as a number (seconds until an unpaid order is cancelled)"),
        ("PAYMENTS_UNPAID_AFTER", "-1", "greater than 0"),
    ],
)
def test_error_names_the_malformed_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    message = str(refused.value)
    assert message.startswith(f"{variable}: ")
    assert expected in message
    assert "one.example" not in message
    assert "\n" not in message


def test_malformed_variables_of_all_groups_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTH_SECRET_KEY")
    monkeypatch.setenv("TASKS_CONCURRENCY", "many")
    monkeypatch.setenv("PAYMENTS_UNPAID_AFTER", "never")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "AUTH_SECRET_KEY",
        "TASKS_CONCURRENCY",
        "PAYMENTS_UNPAID_AFTER",
    ]
