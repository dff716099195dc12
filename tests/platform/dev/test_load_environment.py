"""The service of a load test gets no variable that may lead to a server of others."""

from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from app.platform import settings
from dev.load import environment
from dev.load.environment import environment_for, left_out_of

OURS = {"DATABASE_URL": "postgresql://127.0.0.1:1/empty", "HTTP_PORT": "1"}


class MailSettings(BaseSettings):
    model_config = settings.from_environment("MAIL_")

    url: SecretStr


class LooseSettings(BaseSettings):
    model_config = settings.from_environment("")

    payment_url: str = ""


@dataclass(frozen=True, slots=True)
class OwnSettings(settings.PlatformSettings):
    mail: MailSettings = settings.group(MailSettings)
    loose: LooseSettings = settings.group(LooseSettings)


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service have two groups of its own."""
    monkeypatch.setattr(environment, "Settings", OwnSettings)


# whatever leads to another server
REAL = {
    "MAIL_URL": "smtp://mail",
    "mail_sender": "me",
    "PAYMENT_URL": "https://pay",
    "DATABASE_URL": "postgresql://real/x",
    "DATABASE_REPLICA_URL": "postgresql://real/y",
    "DB_HOST": "real",
    "REDIS_URL": "redis://real",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://real",
    "OTEL_BSP_SCHEDULE_DELAY": "1",
    "PGHOST": "real",
    "PGSERVICE": "real",
}


@pytest.mark.parametrize("place", ["file", "shell"])
def test_no_address_of_a_real_server_arrives(place: str) -> None:
    file, shell = (REAL, {}) if place == "file" else ({}, REAL)
    assert environment_for(file, shell, {}, OURS) == OURS


def test_settings_of_the_platform_and_what_programs_need_arrive() -> None:
    file = {"DB_POOL_SIZE": "7", "http_workers": "2", "LOG_LEVEL": None, "SENTRY_DSN": "https://real"}
    shell = {"PATH": "/bin", "http_proxy": "http://proxy", "HTTP_WORKERS": "3", "SENTRY_DSN": "https://real"}
    expected = {"DB_POOL_SIZE": "7", "PATH": "/bin", "http_proxy": "http://proxy", "HTTP_WORKERS": "3"}
    assert environment_for(file, shell, {}, OURS) == {**expected, **OURS}


def test_the_variables_for_the_test_win_but_for_addresses_of_the_test_and_a_single_run() -> None:
    chosen = {"MAIL_URL": "smtp://127.0.0.1:9", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "HTTP_WORKERS": "2"}
    shell = {"MAIL_URL": "smtp://mail", "AWS_ENDPOINT_URL": "https://real", "HTTP_WORKERS": "3"}
    found = environment_for({"HTTP_WORKERS": "1"}, shell, {**chosen, "DATABASE_URL": "postgresql://real/x"}, OURS)
    assert found == {**chosen, "HTTP_WORKERS": "3", **OURS}


def test_what_is_left_out_is_named() -> None:
    file = {"POSTGRES_PASSWORD": "secret", "LOG_LEVEL": "INFO", "SENTRY_DSN": "https://real"}
    assert left_out_of(file, {"PATH": "/bin", "MAIL_URL": "smtp://mail"}) == ["MAIL_URL", "SENTRY_DSN"]
