"""The limit on sign-ins to one account, from all addresses together: against guesses that come from many addresses."""

import structlog
from limits import RateLimitItem, parse

from app.platform import security
from app.platform.errors import RateLimited
from app.platform.http.middleware.client import Client
from app.platform.rate_limits import RateLimiter

log = structlog.get_logger(__name__)

_KNOWN = parse("1/30 days")


class SignInAttempts:
    """Counts the sign-ins of one client.

    Somebody who guesses at an account from many addresses uses up its limit. So that this does not lock its owner out,
    an address that has signed in to the account within 30 days is not limited here, only by `HTTP_LOGIN_RATE_LIMIT`;
    without Redis, each process remembers its own, until it stops.
    The owner at an unknown address has to wait until the window ends.
    """

    def __init__(self, limiter: RateLimiter, limit: RateLimitItem, client: Client) -> None:
        self._limiter = limiter
        self._limit = limit
        self._client = client

    async def admit(self, email: str) -> None:
        """Count an attempt from an unknown address.

        Raises:
            RateLimited: unknown addresses have tried to sign in to this account too often.
        """
        account = _account(email)
        if await self._limiter.count(_KNOWN, self._known(account)):
            return
        result = await self._limiter.hit(self._limit, f"account:{account}")
        if not result.allowed:
            raise RateLimited(result.reset_after)
        if result.remaining == 0:
            # once in each window
            log.warning("account_sign_in_limit_reached", account=account, seconds=result.reset_after)

    async def remember(self, email: str) -> None:
        """Remember that this client has signed in to the account."""
        if self._client.address:
            await self._limiter.renew(_KNOWN, self._known(_account(email)))

    def _known(self, account: str) -> str:
        return f"known:{account}:{self._client.limit_key}"


def _account(email: str) -> str:
    """Return a key for the account, also for one that does not exist; its length is bounded, unlike the address's."""
    return security.digest(email.lower())[:32]
