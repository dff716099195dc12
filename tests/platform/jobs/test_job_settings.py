"""The settings of jobs: an error names the variable, and never shows its value."""

import os
from pathlib import Path

import pytest

from app.config import Settings, load_settings
from app.platform.settings import ConfigError, JobSettings

GOOD = {"DATABASE_URL": "postgresql://ada:hunter2@db/shop", "AUTH_SECRET_KEY": "k" * 32}
# only Celery has a choice of pools
POOL = [("TASKS_POOL", "threads", "prefork or solo")] if "pool" in JobSettings.model_fields else []


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("DATABASE", "DB", "AUTH", "TASKS", "REDIS"))]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_defaults_are_those_of_production(settings: Settings) -> None:
    jobs = load_settings().jobs
    assert jobs.broker_url is None
    assert (jobs.poll_interval, jobs.redeliver_after, jobs.shutdown_timeout) == (1, 300, 30)
    assert (jobs.metrics_host, jobs.metrics_port) == ("127.0.0.1", 8001)
    assert jobs.queue
    assert jobs == JobSettings.model_construct()
    assert settings.jobs.model_copy(update={"queue": jobs.queue, "metrics_port": 8001}) == jobs


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TASKS_QUEUE", "", "at least 1 character (the queue's name at the broker)"),
        ("TASKS_CONCURRENCY", "many", "valid integer"),
        ("TASKS_CONCURRENCY", "0", "greater than or equal to 1 (jobs a worker runs at a time)"),
        ("TASKS_POLL_INTERVAL", "0", "greater than 0"),
        ("TASKS_REDELIVER_AFTER", "-1", "greater than 0"),
        ("TASKS_SHUTDOWN_TIMEOUT", "1000000", "less than or equal to 86400"),
        ("TASKS_METRICS_PORT", "70000", "less than or equal to 65535"),
        *POOL,
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
    assert "\n" not in message


def test_all_malformed_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("TASKS_QUEUE", "")
    monkeypatch.setenv("TASKS_CONCURRENCY", "many")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "DATABASE_URL",
        "TASKS_QUEUE",
        "TASKS_CONCURRENCY",
    ]


def test_settings_do_not_show_the_password_of_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKS_BROKER_URL", "redis://ada:correct-horse@broker/0")
    settings = load_settings()
    assert "correct-horse" not in repr(settings)
    assert settings.jobs.broker_url is not None
    assert settings.jobs.broker_url.get_secret_value().endswith("@broker/0")


def test_settings_of_jobs_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().jobs.queue = "other"
