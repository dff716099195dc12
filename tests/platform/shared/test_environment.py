"""Neither the developer's shell nor `.env` changes what the tests do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import OWN, environment

ROOT = Path(__file__).parents[3]
NOBODY = "127.0.0.1:9"
FOREIGN = {
    "DATABASE_URL": f"postgresql://{NOBODY}/x",
    "DB_HOST": "nowhere.invalid",
    "DB_MIGRATION_URL": "postgresql:///x",
    "DATABASE_REPLICA_URL": f"postgresql://{NOBODY}/x",
    "DB_POOL_PROFILE": "high",
    "DB_CONNECT_TIMEOUT": "0.001",
    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{NOBODY}",
    "OTEL_TRACES_EXPORTER": "otlp",
    "CACHE_ENABLED": "true",
    "REDIS_URL": f"redis://{NOBODY}/0",
    "LOG_LEVEL": "CRITICAL",
    "HTTP_WORKERS": "3",
    "HTTP_ROOT_PATH": "/x",
    "AUTH_SECRET_KEY": "short",
    "ENVIRONMENT": "staging",
}
# which `.env` cannot set
OF_THE_SHELL = {
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), f"http://{NOBODY}"),
    "PYTHONOPTIMIZE": "",
    "PYTHONASYNCIODEBUG": "1",
    "WEB_CONCURRENCY": "3",
    "TZ": "Asia/Tokyo",
    "MAIL_URL": "smtp://real",
    "AWS_ACCESS_KEY_ID": "real",
    "SENTRY_DSN": "https://real",
}


def test_a_process_gets_nothing_of_the_shell_but_what_programs_need(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (FOREIGN | OF_THE_SHELL).items():
        monkeypatch.setenv(name, value)
    given = environment("postgresql://here/x", MAIL_URL="smtp://127.0.0.1:1")
    assert given["PATH"] == os.environ["PATH"]
    assert (given["DATABASE_URL"], given["MAIL_URL"]) == ("postgresql://here/x", "smtp://127.0.0.1:1")
    unchanged = {name for name, value in (FOREIGN | OF_THE_SHELL).items() if given.get(name) == value}
    assert unchanged - OWN.keys() == set()


def test_a_test_run_is_not_changed_by_the_shell_and_the_file(tmp_path: Path) -> None:
    """With a command in this process, and the service in another one."""
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in FOREIGN.items()))
    chosen = (
        "test_process.py::test_the_service_starts_answers_and_stops",
        "test_commands.py::test_prune_deletes_expired_tokens_and_old_keys",
    )
    # in the debug mode of asyncio, a busy machine has more to say in the process of the tests
    shell = {name: value for name, value in OF_THE_SHELL.items() if name != "PYTHONASYNCIODEBUG"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--no-cov", "-p", "no:cacheprovider", f"--rootdir={ROOT}"),
            *("-c", str(ROOT / "pyproject.toml"), *(str(ROOT / "tests" / each) for each in chosen)),
        ],
        cwd=tmp_path,
        env=os.environ | FOREIGN | shell,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
