"""Calls other services: a pool of connections for each process, with limits, deadlines, and retries where it is safe.

`http_calls.py` has what is sent and returned, and the errors; `http_transport.py` sends it.
"""

import asyncio
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import orjson

from app.platform import tracing
from app.platform.context import request_id
from app.platform.http_calls import (
    Call,
    CallFailed,
    InvalidResponse,
    NoFreeConnection,
    NoResponse,
    Response,
    TimedOut,
    UnexpectedStatus,
    check_url,
)
from app.platform.http_client_settings import HttpClientSettings
from app.platform.metrics import HTTP_CLIENT_SECONDS

if TYPE_CHECKING:
    from app.platform.http_transport import Transport

__all__ = [
    "CallFailed",
    "CallOptions",
    "HttpClient",
    "InvalidResponse",
    "NoFreeConnection",
    "NoResponse",
    "Response",
    "TimedOut",
    "UnexpectedStatus",
]

# RFC 9110, section 9.2.2
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class CallOptions(TypedDict, total=False):
    """What may be said of any call.

    Attributes:
        params: added to the query of the URL.
        json: the body, written as JSON: what `orjson.dumps` accepts.
        timeout: seconds for all tries together; else `HTTP_CLIENT_TIMEOUT`.
        try_timeout: seconds for each try; else `HTTP_CLIENT_TRY_TIMEOUT`.
        tries: how often it is tried; else `HTTP_CLIENT_TRIES`.
        repeatable: whether the other service may get it twice. Else that is true of GET, HEAD, PUT, DELETE and OPTIONS,
            and of a call with an `Idempotency-Key`. What could not be sent is repeated in any case.
        redirects: how many redirects a GET or HEAD follows; else none. The new host gets the headers as well, except
            for `Authorization`.
    """

    params: Mapping[str, str]
    json: Any
    timeout: float
    try_timeout: float
    tries: int
    repeatable: bool
    redirects: int


class HttpClient:
    """Opens its connections at the first call, for the event loop of that call. Call `close` at the end.

    All methods return the response if its status is 2xx, and all raise:

        UnexpectedStatus: the last response had another status, which the error has with the response.
        TimedOut: there was no response in time; `NoFreeConnection`, because all connections were in use.
        NoResponse: there was none for another reason, such as a refused connection.
        InvalidResponse: the response is too large or malformed.
        ValueError: the call itself is malformed.

    The first four are `CallFailed`. Do not call inside of a transaction: its connection would wait as well.
    """

    def __init__(self, settings: HttpClientSettings | None = None) -> None:
        self._settings = settings or HttpClientSettings.model_construct()
        self._transport: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        """Close all connections; calls that still run fail with `NoResponse`."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> Response:
        """Call with GET."""
        return await self.request("GET", url, headers=headers, **options)

    async def post(
        self,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Response:
        """Call with POST.

        `seconds` is that of release 0.4: each try at an endpoint that may get the call twice takes at most so long.
        """
        if seconds is not None:
            tries = options.get("tries", self._settings.tries)
            usual: CallOptions = {"try_timeout": seconds, "timeout": (seconds + 5.0) * tries, "repeatable": True}
            options = {**usual, **options}
            headers = {"Content-Type": "application/json", **(headers or {})}
        return await self.request("POST", url, body=body, headers=headers, **options)

    async def put(
        self,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Response:
        """Call with PUT."""
        return await self.request("PUT", url, body=body, headers=headers, **options)

    async def patch(
        self,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Response:
        """Call with PATCH."""
        return await self.request("PATCH", url, body=body, headers=headers, **options)

    async def delete(
        self, url: str, *, headers: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> Response:
        """Call with DELETE."""
        return await self.request("DELETE", url, headers=headers, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Response:
        """Call with any method."""
        call = self._prepare(method.upper(), url, body, dict(headers or {}), options)
        if tracing.spans is None:
            return await self._measured(call)
        return await tracing.spans.call(call, self._measured)

    async def _measured(self, call: Call) -> Response:
        started = time.perf_counter()
        # the outcome if the caller is cancelled
        outcome = "cancelled"
        try:
            response = await (await self._open()).call(call)
            outcome = "ok"
        except CallFailed as error:
            outcome = error.outcome
            raise
        finally:
            HTTP_CLIENT_SECONDS.labels(outcome).observe(time.perf_counter() - started)
        return response

    def _prepare(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], options: CallOptions
    ) -> Call:
        check_url(url)
        _check(method, body, options)
        given = {name.lower() for name in headers}
        if "json" in options:
            body = orjson.dumps(options["json"])
            if "content-type" not in given:
                headers["Content-Type"] = "application/json"
        if (current := request_id.get()) and "x-request-id" not in given:
            headers["X-Request-ID"] = current
        return Call(
            method=method,
            url=url,
            params=options.get("params"),
            headers=headers,
            body=body,
            redirects=options.get("redirects", 0),
            timeout=options.get("timeout", self._settings.timeout),
            try_timeout=options.get("try_timeout", self._settings.try_timeout),
            tries=options.get("tries", self._settings.tries),
            repeatable=options.get("repeatable", method in IDEMPOTENT or "idempotency-key" in given),
        )

    async def _open(self) -> "Transport":
        if self._transport is None:
            # in a thread, because the import takes some tenths of a second, and the event loop has other work
            module = await asyncio.to_thread(import_module, "app.platform.http_transport")
        # another call may have opened it meanwhile
        if self._transport is None:
            self._loop = asyncio.get_running_loop()
            self._transport = module.Transport(self._settings)
        if self._loop is not asyncio.get_running_loop():
            message = "this HttpClient belongs to another event loop: each needs a client of its own"
            raise RuntimeError(message)
        return self._transport


def _check(method: str, body: bytes | None, options: CallOptions) -> None:
    """Raise ValueError for what contradicts itself."""
    if body is not None and "json" in options:
        message = "a call has a body or json, not both"
        raise ValueError(message)
    if options.get("redirects") and method not in {"GET", "HEAD"}:
        message = f"a {method} does not follow redirects: it might become a GET"
        raise ValueError(message)
    if options.get("tries", 1) < 1:
        message = "a call needs at least one try"
        raise ValueError(message)
