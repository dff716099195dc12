"""Access tokens, refresh tokens and password hashes, independent of users, HTTP and the database."""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from unicodedata import normalize
from uuid import UUID, uuid4

import jwt
from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from app.platform.context import Actor
from app.platform.hashing import HashingQueue, Priority
from app.platform.settings import AuthSettings

_ALGORITHM = "HS256"


def issue_access_token(actor: Actor, settings: AuthSettings) -> str:
    """Sign a JWT for the actor, valid for `AUTH_ACCESS_TOKEN_TTL` seconds."""
    now = datetime.now(UTC)
    claims = {
        "sub": str(actor.user_id),
        "admin": actor.is_admin,
        "aud": settings.audience,
        "iat": now,
        "exp": now + timedelta(seconds=settings.access_token_ttl),
        "jti": uuid4().hex,
    }
    return jwt.encode(claims, settings.secret_key.get_secret_value(), algorithm=_ALGORITHM)


def read_access_token(token: str, settings: AuthSettings, secrets: tuple[str, ...] | None = None) -> Actor | None:
    """Return the actor of an access token; `None` when the token is expired or invalid.

    Who reads many tokens passes `keys(settings)`, made once, as `secrets`.
    """
    try:
        actor, expires = _verify(token, secrets or keys(settings), settings.audience, settings.clock_leeway)
    except (jwt.InvalidTokenError, ValueError):
        return None
    return actor if time.time() < expires + settings.clock_leeway else None


def keys(settings: AuthSettings) -> tuple[str, ...]:
    """Return the key that signs, and the earlier keys, whose tokens are still valid."""
    return tuple(key.get_secret_value() for key in (settings.secret_key, *settings.old_secret_keys))


@lru_cache(maxsize=4096)
def _verify(token: str, secrets: tuple[str, ...], audience: str, leeway: float) -> tuple[Actor, float]:
    """Return a token's actor and time of expiry; cached, because clients send the same token many times."""
    claims = _decode(token, secrets, audience, leeway)
    # ignore the claim `admin`, which is for clients only: the user's rights may have changed since
    return Actor(user_id=UUID(claims["sub"])), float(claims["exp"])


def _decode(token: str, secrets: tuple[str, ...], audience: str, leeway: float) -> dict[str, Any]:
    for number, secret in enumerate(secrets, start=1):
        try:
            return jwt.decode(
                token,
                secret,
                algorithms=[_ALGORITHM],
                audience=audience,
                leeway=leeway,
                options={"require": ["sub", "admin", "aud", "exp"]},
            )
        except jwt.InvalidSignatureError:
            if number == len(secrets):
                raise
    message = "there is no key"
    raise ValueError(message)


def new_opaque_token() -> str:
    """Return the first refresh token of a sign-in: 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def successor_of(token: str, secret_key: str) -> str:
    """Return the refresh token that replaces this one.

    Each call returns the same token, so it can be sent again without being stored. The label makes the key differ from
    the key that signs access tokens.
    """
    key = hmac.digest(secret_key.encode(), b"successor of a refresh token", "sha256")
    return urlsafe_b64encode(hmac.digest(key, token.encode(), "sha256")).rstrip(b"=").decode()


def digest(token: str) -> str:
    """Return the hash that is stored in place of an opaque token; 256 random bits need no slow or salted hash."""
    return hashlib.sha256(token.encode()).hexdigest()


class PasswordHasher:
    """Hashes passwords with argon2id in a few threads: a hash takes tens of milliseconds and much memory.

    Sign-ins go before registrations.

    Raises (in `hash` and `verify`):
        Busy: `AUTH_HASHING_QUEUE` hashes wait already, or this one waited for `AUTH_HASHING_TIMEOUT` seconds.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._argon2 = Argon2(settings.argon2_time_cost, settings.argon2_memory_kib, parallelism=4)
        self._queue = HashingQueue(settings.hashing_threads, settings.hashing_queue, settings.hashing_timeout)
        self._unknown_user = self._argon2.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Return the encoded argon2id hash of a password."""
        return await self._queue.run(Priority.REGISTRATION, self._argon2.hash, _normalised(password))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Return whether the password matches the hash.

        Pass `None` for an unknown user: it takes as long, so the response time does not reveal which accounts exist.
        """
        hashed = encoded or self._unknown_user
        matches = await self._queue.run(Priority.SIGN_IN, self._matches, password, hashed)
        return matches and encoded is not None

    def _matches(self, password: str, encoded: str) -> bool:
        # hashes of earlier releases are of the password as it was sent
        spellings = dict.fromkeys((_normalised(password), password))
        return any(self._matches_exactly(spelling, encoded) for spelling in spellings)

    def _matches_exactly(self, password: str, encoded: str) -> bool:
        try:
            return self._argon2.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Wait for running hashes, and stop the threads."""
        self._queue.close()


def _normalised(password: str) -> str:
    """Return the password in the form NFKC: keyboards write the same characters differently (NIST SP 800-63B)."""
    return normalize("NFKC", password)
