"""A client that disconnects is no error: status 499 and one log line at level info. On real sockets."""

from pathlib import Path

import pytest

from tests.platform.support.disconnects import connect, part_of_request, requests_and_warnings, wait_for_statuses
from tests.support.server import serving

USERS = "/api/v1/users"
SIGN_IN = "/api/v1/auth/token"
FORM = "application/x-www-form-urlencoded"
MULTIPART = b'--line\r\nContent-Disposition: form-data; name="username"\r\n\r\nada@exam'
BODIES = (
    (USERS, "application/json", b'{"email": "ada@example.com", "pass'),
    (USERS, "application/octet-stream", b"\x00\x01"),
    (USERS, "application/json", b""),
    (SIGN_IN, FORM, b"username=ada@example.com&pass"),
    (SIGN_IN, "multipart/form-data; boundary=line", MULTIPART),
)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_disconnect_during_the_request_is_a_499(tmp_path: Path, migrated_url: str, *, chunked: bool) -> None:
    with serving(tmp_path, migrated_url) as server:
        server.wait_until_ready()
        for path, content_type, body in BODIES:
            with connect(server) as client:
                client.sendall(part_of_request(path, body, {"Content-Type": content_type}, chunked=chunked))
        assert wait_for_statuses(server, USERS, 3) == {"499": 3}
        assert wait_for_statuses(server, SIGN_IN, 2) == {"499": 2}
        events = requests_and_warnings(server)
    assert [(event["event"], event["level"], event["status"]) for event in events] == [("request", "info", 499)] * 5


def test_disconnect_before_the_response_is_no_error(tmp_path: Path, migrated_url: str) -> None:
    form = b"username=nobody@example.com&password=wrong"
    head = f"POST {SIGN_IN} HTTP/1.1\r\nHost: service\r\nContent-Type: {FORM}\r\nContent-Length: {len(form)}\r\n\r\n"
    with serving(tmp_path, migrated_url) as server:
        server.wait_until_ready()
        with connect(server) as client:
            client.sendall(head.encode() + form)
        assert wait_for_statuses(server, SIGN_IN, 1) == {"401": 1}
        events = requests_and_warnings(server)
    assert [(event["event"], event["level"]) for event in events] == [("request", "info")]
