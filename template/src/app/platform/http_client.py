"""Calls of other services: one pooled session a process, limits, time-outs, and retries of what may be repeated."""

from collections.abc import Mapping

import aiohttp
import stamina

from app.platform.context import request_id

CONNECTIONS = 100
CONNECTIONS_TO_A_HOST = 10
DNS_SECONDS = 60
CONNECT_SECONDS = 5.0
# the first try and two more, some tenths of a second apart; what fails for longer is the caller's to try again
TRIES = 3


class UnexpectedStatus(Exception):
    """The other side did not answer with 2xx; the message says what, without its body."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered with {status}")
        self.status = status


class HttpClient:
    """Opens its session at the first call, in the event loop it is used in. `close` it once."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> None:
        """Send JSON to somebody who takes repetitions for one, `seconds` at most for each of the tries.

        Raises:
            UnexpectedStatus: the last answer was not 2xx.
            aiohttp.ClientError: there was no answer.
            TimeoutError: it did not come in time.
        """
        ours = {"Content-Type": "application/json", **headers}
        if current := request_id.get():
            ours["X-Request-ID"] = current
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async for attempt in stamina.retry_context(on=_may_pass, attempts=TRIES, timeout=None):
            with attempt:
                # a redirect may make a GET of it, which is answered with 200 by whoever comes by
                async with self._open().post(
                    url, data=body, headers=ours, timeout=timeout, allow_redirects=False
                ) as answer:
                    if not 200 <= answer.status < 300:
                        raise UnexpectedStatus(answer.status)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, limit_per_host=CONNECTIONS_TO_A_HOST, ttl_dns_cache=DNS_SECONDS
            )
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _may_pass(error: Exception) -> bool:
    """Whether it may be better in a moment."""
    if isinstance(error, UnexpectedStatus):
        return error.status >= 500 or error.status == 429
    return isinstance(error, (aiohttp.ClientConnectionError, TimeoutError))
