"""Password hashes and opaque tokens; the API's tests cover valid and invalid access tokens."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.platform import security
from app.platform.context import Actor
from app.platform.security import PasswordHasher


@pytest.fixture
def hasher(settings: Settings) -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(settings.auth)
    yield hasher
    hasher.close()


async def test_password_is_verified(hasher: PasswordHasher) -> None:
    encoded = await hasher.hash("correct horse")
    assert encoded.startswith("$argon2id$")
    assert await hasher.verify("correct horse", encoded)
    assert not await hasher.verify("wrong", encoded)
    assert encoded != await hasher.hash("correct horse")


async def test_unknown_user_never_matches(hasher: PasswordHasher) -> None:
    assert not await hasher.verify("anything", None)


def test_token_that_was_valid_expires(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = Actor(uuid4(), is_admin=True)
    token = security.issue_access_token(actor, settings.auth)
    # the user's rights come from the database, not from the token
    assert security.read_access_token(token, settings.auth) == Actor(actor.user_id, is_admin=False)
    later = time.time() + settings.auth.access_token_ttl + 1
    monkeypatch.setattr("app.platform.security.time.time", lambda: later)
    assert security.read_access_token(token, settings.auth) is None


def test_opaque_tokens_are_long_and_stored_as_digests() -> None:
    token = security.new_opaque_token()
    assert len(token) >= 43
    assert security.digest(token) != token
    assert security.digest(token) == security.digest(token)
    assert token != security.new_opaque_token()


def test_successor_of_a_token_depends_on_the_token_and_the_key(settings: Settings) -> None:
    successor = security.successor_of("first", settings.auth)
    assert len(successor) == 43
    assert successor == security.successor_of("first", settings.auth)
    other_key = settings.auth.model_copy(update={"secret_key": SecretStr("o" * 32)})
    others = {security.successor_of("second", settings.auth), security.successor_of("first", other_key)}
    assert len(others | {successor, "first"}) == 4
