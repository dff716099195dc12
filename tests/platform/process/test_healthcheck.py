"""The health check of containers, on a real socket."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from app.platform import healthcheck


class Answers(BaseHTTPRequestHandler):
    """Is alive, but not ready."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def listening() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("arguments", "status", "code"), [([], 0, 200), (["/livez"], 0, 200), (["/readyz"], 1, 503)])
def test_only_200_is_healthy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    code: int,
) -> None:
    with listening() as port:
        monkeypatch.setenv("HTTP_PORT", port)
        # nobody listens there, and nobody is to be asked
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert healthcheck.main(arguments) == status
    assert capsys.readouterr().out.endswith(f" on port {port}: {code}\n")


def test_a_worker_has_another_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PORT", "9")
    with listening() as port:
        assert healthcheck.main(["/livez", port]) == 0


def test_says_why_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as port:
        pass
    assert healthcheck.main(["/livez", port]) == 1
    assert "Connection refused" in capsys.readouterr().out
