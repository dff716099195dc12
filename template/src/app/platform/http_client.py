"""Calls other services: one pooled session per process, with limits, time-outs, and retries of transient failures."""

from collections.abc import Mapping

import aiohttp
import stamina

from app.platform.context import request_id

CONNECTIONS = 100
CONNECTIONS_TO_A_HOST = 10
DNS_SECONDS = 60
CONNECT_SECONDS = 5.0
# the first try and two more, some tenths of a second apart; longer failures are left to the caller
TRIES = 3


class UnexpectedStatus(Exception):
    """The response is not 2xx. The message has its status, and not its body."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered with {status}")
        self.status = status


class HttpClient:
    """Opens its session at the first call, in the event loop of that call. Call `close` at the end."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> None:
        """Post JSON to an idempotent endpoint; each try may take `seconds`.

        Raises:
            UnexpectedStatus: the last response was not 2xx.
            aiohttp.ClientError: there was no response.
            TimeoutError: there was no response in time.
        """
        all_headers = {"Content-Type": "application/json", **headers}
        if current := request_id.get():
            all_headers["X-Request-ID"] = current
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async for attempt in stamina.retry_context(on=_is_transient, attempts=TRIES, timeout=None):
            with attempt:
                # no redirects: the client may turn them into a GET, and take any page for success
                async with self._open().post(
                    url, data=body, headers=all_headers, timeout=timeout, allow_redirects=False
                ) as response:
                    if not 200 <= response.status < 300:
                        raise UnexpectedStatus(response.status)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, limit_per_host=CONNECTIONS_TO_A_HOST, ttl_dns_cache=DNS_SECONDS
            )
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _is_transient(error: Exception) -> bool:
    """Return whether another try may succeed."""
    if isinstance(error, UnexpectedStatus):
        return error.status >= 500 or error.status == 429
    return isinstance(error, (aiohttp.ClientConnectionError, TimeoutError))
