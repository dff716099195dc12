"""A call of another service: what is sent, what comes back, and how it fails. `http_client.py` makes the calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

import orjson

from app.platform.errors import AppError, Busy, UpstreamFailed, UpstreamTimeout


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and its limits. `timeout` is in seconds and for all tries together, `try_timeout` for each of them."""

    method: str
    url: str
    params: Mapping[str, str] | None
    headers: Mapping[str, str]
    body: bytes | None
    redirects: int
    timeout: float
    try_timeout: float
    tries: int
    repeatable: bool

    @property
    def name(self) -> str:
        """Return the method and the host for errors and logs. Paths, queries and user names may contain secrets."""
        return f"{self.method} {_split(self.url).netloc.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True)
class Response:
    """What the other service answered. The names of `headers` may be written in any case."""

    call: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Parse the body.

        Raises:
            InvalidResponse: it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            message = f"{self.call}: the body is not JSON"
            raise InvalidResponse(message) from None


class CallFailed(Exception):
    """A call of another service failed. The message has the method, the host and the reason.

    A route that does not handle it answers with `answer`, and the message is logged.
    """

    answer: ClassVar[type[AppError]] = UpstreamFailed
    outcome: ClassVar[str] = "failed"


class UnexpectedStatus(CallFailed):
    """The status of the response is not 2xx."""

    outcome = "unexpected_status"

    def __init__(self, status: int, response: Response | None = None) -> None:
        super().__init__(f"{response.call if response else 'the service'} answered with {status}")
        self.status = status
        self.response = response


class InvalidResponse(CallFailed):
    """The response is too large, is not HTTP, cannot be decompressed, or is not JSON."""

    outcome = "invalid_response"


class NoResponse(CallFailed):
    """There was no complete response. If any try was `sent`, the other service may have done what was asked for."""

    outcome = "no_response"

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class TimedOut(NoResponse, TimeoutError):
    """There was no complete response in time."""

    answer: ClassVar[type[AppError]] = UpstreamTimeout
    outcome = "timed_out"


class NoFreeConnection(TimedOut):
    """All connections that the settings allow were in use, so the last try was not sent."""

    answer = Busy
    outcome = "no_free_connection"


def check_url(url: str) -> None:
    """Check that a call can be made.

    Raises:
        ValueError: it is no http or https URL. The message does not show the URL, which may contain secrets.
    """
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "not a URL with http:// or https:// and a host"
        raise ValueError(message)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # reading the port checks it
        _ = parts.port
    except ValueError:
        message = "not a URL: its host or its port is malformed"
        raise ValueError(message) from None
    return parts
