"""What the journey sends its requests with. Only the load generator imports this: it needs Locust's libraries."""

import json
import secrets
import time
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlencode

import gevent
from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed
from locust.contrib.fasthttp import LocustBadStatusCode

from dev.load.recording import Recorder
from dev.load.results import Phase

SHOWN_CHARACTERS = 120


class Broken(Exception):
    """A request was not answered as expected; it is counted, and the round of this client is over."""


class Over(Exception):
    """The time of this step is over, so nothing was sent."""


class Clock(Protocol):
    """What a client has to know of its step."""

    recorder: Recorder

    def over(self) -> bool:
        """Return whether the rounds are to end."""


class Client:
    """One client of the service.

    Attributes:
        name: letters and digits that no other client has, in this test or an earlier one.
        headers: of each request from now on.
        created: the ids of all that the service has confirmed to have stored. `stored()` of the journey finds them.
    """

    def __init__(self, session: Any, clock: Clock, timeout: float) -> None:
        self.name = secrets.token_hex(8)
        self.headers: dict[str, str] = {}
        self.created: set[str] = set()
        self.phase: Phase = "begin"
        self._session = session
        self._clock = clock
        self._timeout = timeout

    def send(
        self,
        method: str,
        path: str,
        *,
        expect: int,
        name: str = "",
        body: Any = None,
        form: dict[str, str] | None = None,
    ) -> Any:
        """Send a request and return the JSON of its response, or `None` without a body.

        Args:
            method: such as `POST`.
            path: with the query.
            expect: the status of a response as it should be.
            name: groups requests in the report, for paths with ids; by default the path without its query.
            body: is sent as JSON.
            form: is sent as a form, instead of a body.

        Raises:
            Broken: there was no response, or one with another status or without valid JSON.
            Over: the step is over.
        """
        if self.phase == "round" and self._clock.over():
            raise Over
        label = f"{method} {name or path.partition('?')[0]}"
        started = time.perf_counter()
        status, text = self._exchange(label, method, path, body, form)
        milliseconds = (time.perf_counter() - started) * 1000
        late = self.phase == "round" and self._clock.over()
        if status != expect:
            raise self._broken(label, f"{status} {_reason(text)}".strip())
        try:
            found = json.loads(text) if text else None
        except ValueError:
            raise self._broken(label, f"{status} without valid JSON") from None
        self._clock.recorder.good(self.phase, label, milliseconds, late=late)
        return found

    def check(self, fulfilled: bool, claim: str) -> None:
        """Check the content of a response.

        Raises:
            Broken: the claim is not fulfilled; it is counted among the errors.
        """
        if not fulfilled:
            raise self._broken(claim, "is not so")

    def fail(self, reason: str) -> None:
        """Count a mistake of the journey itself."""
        self._clock.recorder.error(self.phase, "the journey", reason[:SHOWN_CHARACTERS])

    def _broken(self, label: str, reason: str) -> Broken:
        self._clock.recorder.error(self.phase, label, reason)
        return Broken(f"{label}: {reason}")

    def _exchange(self, label: str, method: str, path: str, body: Any, form: dict[str, str] | None) -> tuple[int, str]:
        headers = dict(self.headers)
        payload: dict[str, Any] = {} if body is None else {"json": body}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            payload = {"data": urlencode(form)}
        try:
            # of the whole exchange: also one that gets a byte now and then ends
            with gevent.Timeout(self._timeout) as limit:
                response = self._session.request(
                    method, path, headers=headers, catch_response=True, allow_redirects=False, **payload
                )
                error = response.request_meta["exception"]
                # for Locust an error status is an exception as well
                if isinstance(error, LocustBadStatusCode):
                    error = None
                text = "" if error else response.content.decode(errors="replace")
        except gevent.Timeout as expired:
            if expired is not limit:
                raise
            error = expired
        if error is None:
            return response.status_code, text
        cause = _cause(error)
        self._clock.recorder.unanswered(self.phase, label, cause)
        with suppress(OSError):
            self._session.client.close()
        raise Broken(f"{label}: {cause}")


def _reason(text: str) -> str:
    """Return the code of a problem document, else the beginning of a response."""
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(text)["code"])
    return text[:SHOWN_CHARACTERS]


def _cause(error: BaseException) -> str:
    """Return why there was no response."""
    # geventhttpclient wraps what it would try again
    error = getattr(error, "original", None) or error
    if isinstance(error, gevent.Timeout | TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    # a response that ends too early is one that cannot be parsed
    if isinstance(error, ConnectionResetError | BrokenPipeError | HTTPConnectionClosed | HTTPParseError):
        return "cut off"
    return type(error).__name__
