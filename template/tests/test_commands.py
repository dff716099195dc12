"""The commands of `python -m app`."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from app import __main__ as cli
from app.features.users.models import User
from app.platform.auth.models import RefreshToken
from app.platform.db.session import Database
from app.platform.idempotency import IdempotencyKey
from tests.support.databases import settings_for
from tests.support.server import OWN, SECRET


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, migrated_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    monkeypatch.setenv("AUTH_SECRET_KEY", SECRET)
    monkeypatch.setenv("AUTH_ARGON2_MEMORY_KIB", "64")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["app", *arguments])
    cli.main()


def query(url: str, statement: Any) -> Any:
    async def ask() -> Any:
        database = Database(settings_for(url))
        await database.init()
        async with database.transaction() as session:
            answer = (await session.execute(statement)).scalars().all()
        await database.close()
        return answer

    return asyncio.run(ask())


def add(url: str, *rows: object) -> None:
    async def write() -> None:
        database = Database(settings_for(url))
        await database.init()
        async with database.transaction() as session:
            session.add_all(rows)
        await database.close()

    asyncio.run(write())


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        run(monkeypatch, "--help")
    assert exited.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("api", "migrate", "openapi", "prune", "grant-admin"))


def test_missing_setting_is_one_line_and_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AUTH_SECRET_KEY")
    with pytest.raises(SystemExit) as exited:
        run(monkeypatch, "openapi")
    assert str(exited.value.code).startswith("python -m app: AUTH_SECRET_KEY: Field required")
    assert capsys.readouterr().out == ""


def test_openapi_prints_the_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "openapi")
    assert "/api/v1/users" in json.loads(capsys.readouterr().out)["paths"]


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("grant-admin", "is an administrator"),
        ("revoke-admin", "is no administrator"),
        ("deactivate", "is deactivated"),
        ("reactivate", "is active"),
        ("sign-out", "is signed out everywhere"),
    ],
)
def test_account_is_administered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str, command: str, result: str
) -> None:
    before = {"is_active": command != "reactivate", "is_admin": command == "revoke-admin"}
    add(migrated_url, User(email="ada@example.com", password_hash="x", **before))
    (user_id,) = query(migrated_url, select(User.id))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    add(migrated_url, RefreshToken(user_id=user_id, family_id=uuid4(), token_digest="x", expires_at=tomorrow))
    run(monkeypatch, command, "ADA@example.com")
    assert capsys.readouterr().out == f"ada@example.com {result}\n"
    assert query(migrated_url, select(User.is_admin)) == [command == "grant-admin"]
    assert query(migrated_url, select(User.is_active)) == [command != "deactivate"]
    (revoked_at,) = query(migrated_url, select(RefreshToken.revoked_at))
    assert (revoked_at is None) == (command in {"grant-admin", "reactivate"})
    with pytest.raises(SystemExit) as exited:
        run(monkeypatch, command, "eve@example.com")
    assert exited.value.code == "python -m app: no user has the email address eve@example.com"


def test_sample_users_are_added_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")
    for added in (2, 0):
        run(monkeypatch, "seed", "2")
        assert capsys.readouterr().out.startswith(f"{added} users added, {2 - added} were there")
    assert query(migrated_url, select(User.email).order_by(User.email)) == ["user-1@example.com", "user-2@example.com"]
    for number, environment, status in (("0", "development", 2), ("3", "production", "python -m app: sample users")):
        monkeypatch.setenv("ENVIRONMENT", environment)
        with pytest.raises(SystemExit) as exited:
            run(monkeypatch, "seed", number)
        assert str(exited.value.code).startswith(str(status))
    assert len(query(migrated_url, select(User.id))) == 2


def test_prune_deletes_expired_tokens_and_old_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    now = datetime.now(UTC)

    def token(name: str, expires: timedelta) -> RefreshToken:
        return RefreshToken(user_id=uuid4(), family_id=uuid4(), token_digest=name, expires_at=now + expires)

    add(
        migrated_url,
        token("expired", timedelta(minutes=-1)),
        token("valid", timedelta(minutes=1)),
        IdempotencyKey(user_id=uuid4(), key="old", request_digest="x"),
        IdempotencyKey(user_id=uuid4(), key="new", request_digest="x"),
    )
    old = update(IdempotencyKey).where(IdempotencyKey.key == "old").values(created_at=now - timedelta(days=2))
    query(migrated_url, old.returning(IdempotencyKey.key))
    run(monkeypatch, "prune")
    assert capsys.readouterr().out == "1 refresh tokens, 1 idempotency keys\n"
    assert query(migrated_url, select(RefreshToken.token_digest)) == ["valid"]
    assert query(migrated_url, select(IdempotencyKey.key)) == ["new"]
