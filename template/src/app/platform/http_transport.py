"""Makes calls by aiohttp, whose errors end here, and repeats them by stamina. Only `http_client.py` imports this.

Both libraries take long to import, and many commands call no other service.
"""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import aiohttp
import stamina
from aiohttp.http_exceptions import ContentEncodingError, DecompressSizeError

from app.platform.http_calls import (
    Call,
    CallFailed,
    InvalidResponse,
    NoFreeConnection,
    NoResponse,
    Response,
    TimedOut,
    UnexpectedStatus,
)
from app.platform.http_client_settings import HttpClientSettings

DNS_SECONDS = 60
CHUNK_BYTES = 65_536
# seconds before the second try; doubled before each further one, and varied, so that callers spread out
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
# statuses of overload, and of proxies without a server: another try may succeed
TRANSIENT = frozenset({429, 502, 503, 504})

_random = random.SystemRandom()


class _Step(StrEnum):
    """How far a try has come."""

    QUEUED = "waiting for a free connection"
    CONNECTING = "connecting"
    SENT = "waiting for the response"
    READING = "reading the response"
    PAUSED = "waiting for the next try"


class _Progress:
    """How far a call has come, which its errors tell.

    It was `sent` if the other service may have received something of any try. Calls that may not be repeated end with
    the first try that was sent.
    """

    def __init__(self) -> None:
        self.step = _Step.CONNECTING
        self.sent = False

    def reach(self, step: _Step) -> None:
        self.step = step
        self.sent = self.sent or step in {_Step.SENT, _Step.READING}


class Transport:
    """The connections of one event loop."""

    def __init__(self, settings: HttpClientSettings) -> None:
        self._settings = settings
        connector = aiohttp.TCPConnector(
            limit=settings.connections, limit_per_host=settings.connections_per_host, ttl_dns_cache=DNS_SECONDS
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # waiting for a free connection is a part of it
            timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout),
            # cookies of one caller are not for the others
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_tracing()],
        )
        # else aiohttp sends again by itself when a connection breaks, which `tries` and `repeatable` would not limit
        self._session._retry_connection = False  # noqa: SLF001 (there is no public switch)

    async def close(self) -> None:
        """Close all connections; calls that run fail."""
        await self._session.close()

    async def call(self, call: Call) -> Response:
        """Make a call, and repeat it as long as that is safe, useful and within its time.

        Raises:
            CallFailed: the last try failed, or the time was over.
        """
        progress = _Progress()
        deadline = asyncio.get_running_loop().time() + call.timeout
        pauses = iter(range(call.tries))

        def pause(error: Exception) -> float | bool:
            if not _may_repeat(call, error) or self._session.closed:
                return False
            seconds = max(_backoff(next(pauses)), _retry_after(error))
            progress.reach(_Step.PAUSED)
            return seconds if asyncio.get_running_loop().time() + seconds < deadline else False

        try:
            async with asyncio.timeout_at(deadline):
                async for attempt in stamina.retry_context(on=pause, attempts=call.tries, timeout=None):
                    with attempt:
                        response = await self._try(call, progress)
        except CallFailed:
            raise
        except TimeoutError:
            raise _timed_out(call, call.timeout, progress) from None
        return response

    async def _try(self, call: Call, progress: _Progress) -> Response:
        progress.reach(_Step.CONNECTING)
        try:
            async with asyncio.timeout(call.try_timeout):
                response = await self._send(call, progress)
        except CallFailed:
            raise
        except TimeoutError:
            raise _timed_out(call, call.try_timeout, progress) from None
        if not 200 <= response.status < 300:
            raise UnexpectedStatus(response.status, response)
        return response

    async def _send(self, call: Call, progress: _Progress) -> Response:
        try:
            async with self._session.request(
                call.method,
                call.url,
                params=call.params,
                headers=call.headers,
                data=call.body,
                allow_redirects=call.redirects > 0,
                # aiohttp counts the first request as well
                max_redirects=call.redirects + 1,
                trace_request_ctx=progress,
            ) as response:
                progress.reach(_Step.READING)
                return Response(call.name, response.status, response.headers, await self._read(call, response))
        except aiohttp.ConnectionTimeoutError:
            raise _timed_out(call, self._settings.connect_timeout, progress) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # not `from error`: aiohttp's messages may show the URL
            raise _failure(call, error, progress) from None
        except (RuntimeError, asyncio.CancelledError):
            # what aiohttp raises in the calls of a closed session, although nobody has cancelled them
            if not self._session.closed or _is_cancelled():
                raise
            message = f"{call.name}: the client was closed ({progress.step})"
            raise NoResponse(message, sent=progress.sent) from None

    async def _read(self, call: Call, response: aiohttp.ClientResponse) -> bytes:
        """Read the body, decompressed; one that does not end is cut off."""
        body = bytearray()
        limit = self._settings.max_response_bytes
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                message = f"{call.name}: the body is larger than {limit} bytes (HTTP_CLIENT_MAX_RESPONSE_BYTES)"
                raise InvalidResponse(message)
        return bytes(body)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _timed_out(call: Call, seconds: float, progress: _Progress) -> TimedOut:
    kind = NoFreeConnection if progress.step is _Step.QUEUED else TimedOut
    return kind(f"{call.name}: no response within {seconds:g} s ({progress.step})", sent=progress.sent)


def _failure(call: Call, error: Exception, progress: _Progress) -> CallFailed:
    reason = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = f"{reason}, {error.certificate_error}"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = f"{reason}, {error.os_error.strerror or error.os_error}"
    message = f"{call.name}: {reason} ({progress.step})"
    # what is no HTTP, leads nowhere, or cannot be decompressed
    undecodable = isinstance(error.__cause__, ContentEncodingError | DecompressSizeError)
    # UnicodeError: a redirection to a host name that cannot be encoded
    nowhere = progress.sent and isinstance(error, UnicodeError)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.RedirectClientError) or undecodable or nowhere:
        return InvalidResponse(message)
    return NoResponse(message, sent=progress.sent)


def _may_repeat(call: Call, error: BaseException) -> bool:
    """Return whether repeating is safe, and may help."""
    if isinstance(error, UnexpectedStatus):
        return call.repeatable and error.status in TRANSIENT
    if isinstance(error, NoResponse) and not isinstance(error, NoFreeConnection):
        return call.repeatable or not error.sent
    return False


def _backoff(repetitions: int) -> float:
    """Return the usual seconds before the next try, after this many repetitions."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**repetitions) * _random.uniform(0.5, 1.5)


def _retry_after(error: Exception) -> float:
    """Return the seconds of `Retry-After` (RFC 9110, section 10.2.3); 0 without a readable one."""
    if not isinstance(error, UnexpectedStatus) or error.response is None:
        return 0.0
    value = error.response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return (then - datetime.now(UTC)).total_seconds()


def _tracing() -> aiohttp.TraceConfig:
    """Return what tells the progress of a call that its connection waits, opens or is open."""
    tracing = aiohttp.TraceConfig()
    for signal, step in (
        (tracing.on_connection_queued_start, _Step.QUEUED),
        (tracing.on_connection_create_start, _Step.CONNECTING),
        (tracing.on_connection_create_end, _Step.SENT),
        (tracing.on_connection_reuseconn, _Step.SENT),
    ):
        signal.append(_reached(step))
    return tracing


def _reached(step: _Step) -> Any:
    async def note(_session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: object) -> None:
        context.trace_request_ctx.reach(step)

    return note
