"""Password hashes and opaque tokens; the API's tests cover valid and invalid access tokens."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from argon2 import PasswordHasher as Argon2
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
    later = time.time() + settings.auth.access_token_ttl + settings.auth.clock_leeway + 1
    monkeypatch.setattr("app.platform.security.time.time", lambda: later)
    assert security.read_access_token(token, settings.auth) is None


def test_opaque_tokens_are_long_and_stored_as_digests() -> None:
    token = security.new_opaque_token()
    assert len(token) >= 43
    assert security.digest(token) != token
    assert security.digest(token) == security.digest(token)
    assert token != security.new_opaque_token()


def test_successor_of_a_token_depends_on_the_token_and_the_key() -> None:
    successor = security.successor_of("first", "k" * 32)
    assert len(successor) == 43
    assert successor == security.successor_of("first", "k" * 32)
    others = {security.successor_of("second", "k" * 32), security.successor_of("first", "o" * 32)}
    assert len(others | {successor, "first"}) == 4


def test_tokens_of_an_earlier_key_are_valid_until_it_is_removed(settings: Settings) -> None:
    actor = Actor(uuid4())
    token = security.issue_access_token(actor, settings.auth)
    new, old = SecretStr("n" * 32), settings.auth.secret_key
    replaced = settings.auth.model_copy(update={"secret_key": new})
    rotating = replaced.model_copy(update={"old_secret_keys": (SecretStr("x" * 32), old)})
    assert security.read_access_token(token, rotating) == actor
    assert security.read_access_token(token, replaced) is None
    fresh = security.issue_access_token(actor, rotating)
    assert security.read_access_token(fresh, replaced) == actor
    assert security.read_access_token(fresh, settings.auth) is None
    assert security.read_access_token(token + "x", rotating) is None


def test_clocks_may_differ_by_the_leeway(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = settings.auth.model_copy(update={"clock_leeway": 0.0})
    lenient = settings.auth.model_copy(update={"clock_leeway": 5.0})

    def token(seconds: float) -> str:
        now = datetime.now(UTC) + timedelta(seconds=seconds)
        claims = {"sub": str(uuid4()), "admin": False, "aud": exact.audience, "iat": now}
        return jwt.encode(claims | {"exp": now + timedelta(seconds=60)}, security.keys(exact)[0], algorithm="HS256")

    ahead, far_ahead, expired, long_expired = token(3), token(60), token(-63), token(-120)
    assert security.read_access_token(ahead, exact) is None
    assert security.read_access_token(ahead, lenient)
    assert security.read_access_token(expired, exact) is None
    assert security.read_access_token(expired, lenient)
    assert [security.read_access_token(each, lenient) for each in (far_ahead, long_expired)] == [None, None]
    # also when the verified token is in the cache
    later = time.time() + 10
    monkeypatch.setattr("app.platform.security.time.time", lambda: later)
    assert security.read_access_token(expired, lenient) is None


COMPOSED, DECOMPOSED, WIDE = "Am\u00e9lie No1", "Ame\u0301lie No1", "\uff21m\u00e9lie \u21161"


async def test_spellings_of_a_password_are_one_password(hasher: PasswordHasher) -> None:
    assert len({COMPOSED, DECOMPOSED, WIDE}) == 3
    encoded = await hasher.hash(DECOMPOSED)
    for spelling in (COMPOSED, DECOMPOSED, WIDE):
        assert await hasher.verify(spelling, encoded)
    assert not await hasher.verify("Amelie No1", encoded)


async def test_hash_of_a_password_as_it_was_sent_still_matches(hasher: PasswordHasher) -> None:
    # as earlier releases have stored it
    encoded = Argon2(1, 64).hash(DECOMPOSED)
    assert await hasher.verify(DECOMPOSED, encoded)
    assert not await hasher.verify(DECOMPOSED + "x", encoded)
