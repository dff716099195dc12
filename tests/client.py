"""A minimal HTTP client for a running service."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    content_type: str
    text: str
    request_id: str = ""

    def json(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self.text)


def call(method: str, url: str, *, body: Any = None, form: dict[str, str] | None = None, token: str = "") -> Answer:
    """Send one request, with a JSON body or a form, and return the response, whatever its status.

    urllib is not used, because it obeys the environment's proxy settings and raises for error statuses.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    payload = None
    if form is not None:
        payload, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
    elif body is not None:
        payload, headers["Content-Type"] = json.dumps(body), "application/json"
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), payload, headers)
        response = connection.getresponse()
        text = response.read().decode()
        request_id = response.headers.get("X-Request-ID", "")
        return Answer(response.status, response.headers.get_content_type(), text, request_id)
    finally:
        connection.close()
